"""The steps that a run was frozen with."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from kerasae.reports.tables.numbers import plain_table


def ladder_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per step.

    Args:
        rows: mappings with ``step``, ``psnr`` in dB, ``bits_per_pixel``, ``default`` and, where there are qualities,
            ``quality``.
        title: what the table is of.
    """
    table = plain_table(title)
    with_quality = any("quality" in row for row in rows)
    for heading in ("step", *(["quality"] if with_quality else []), "PSNR dB", "bits per pixel"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row["step"]),
            *([f"{row['quality']:g}"] if with_quality else []),
            f"{row['psnr']:.2f}",
            f"{row['bits_per_pixel']:.3f}",
            "default" if row["default"] else "",
            style="bold" if row["default"] else "",
        )
    table.caption = "of 8-bit training images; bits under the tables"
    return table
