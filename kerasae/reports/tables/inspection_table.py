"""What compressed files hold."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from kerasae.reports.tables.numbers import plain_table

# More channels than this, as a dense latent has, are summed up.
_CHANNELS_SHOWN = 12


def inspection_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per image: its size, step, bytes, and the bits of each channel where they are known.

    Args:
        rows: as ``kerasae.codec.inspect_packed`` returns them.
        title: what the table is of.
    """
    table = plain_table(title)
    table.add_column("image", overflow="fold")
    for heading in ("size", "step", "bytes", "payload", "bits/pixel"):
        table.add_column(heading, justify="right", no_wrap=True)
    known = any("bits_per_channel" in row for row in rows)
    if known:
        table.add_column("escapes", justify="right", no_wrap=True)
        table.add_column("bits per channel", overflow="fold")
    for row in rows:
        size = f"{row['height']}×{row['width']}×{row['channels']}"
        # A name may hold brackets, which are no markup, and bytes that are no text.
        name = Text(row["name"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        cells = [name, size, str(row["step"]), f"{row['bytes']:,}", f"{row['payload_bytes']:,}"]
        cells.append(f"{row['bits_per_pixel']:.3f}")
        if known:
            cells += [f"{row['escapes']:,}", _channels(row["bits_per_channel"])]
        table.add_row(*cells)
    table.caption = "bytes and bits/pixel: of the image as a file of its own; in an archive it takes fewer"
    return table


def _channels(bits: Sequence[float]) -> str:
    if len(bits) <= _CHANNELS_SHOWN:
        return " ".join(f"{value:,.0f}" for value in bits)
    largest = sorted(bits, reverse=True)
    used = sum(value >= 0.1 for value in bits)
    return f"{used} of {len(bits)} channels cost 0.1 bits or more; the largest {largest[0]:.1f}, {largest[1]:.1f}"
