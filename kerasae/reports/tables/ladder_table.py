"""The steps that a run was frozen with."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from kerasae.reports.tables.numbers import plain_table


def ladder_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per step.

    Args:
        rows: mappings with ``step``, ``psnr`` in dB, ``bits_per_latent`` and ``default``.
        title: what the table is of.
    """
    table = plain_table(title)
    for heading in ("step", "PSNR", "bits per latent"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row["step"]),
            f"{row['psnr']:.2f}",
            f"{row['bits_per_latent']:.3f}",
            "default" if row["default"] else "",
            style="bold" if row["default"] else "",
        )
    table.caption = "PSNR in dB of 8-bit training images; bits by the entropy of the tables"
    return table
