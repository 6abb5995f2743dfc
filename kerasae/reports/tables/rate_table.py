"""Bytes against quality."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from kerasae.records import BdRate, RatePoint
from kerasae.reports.tables.numbers import WIDE, columns_of_terminal, plain_table

METRICS = {"psnr": "PSNR", "psnr_of_mean_mse": "PSNR of mean MSE", "ssim": "SSIM"}


def rate_table(points: Sequence[RatePoint], *, title: str, width: int | None = None) -> Table:
    """Return one row per codec and quality, in the order given.

    Args:
        points: of any number of codecs.
        title: what the table is of.
        width: columns to fit, those of the terminal if None; below 110 the speeds and the bits by estimate and
            payload are left out.
    """
    wide = (width or columns_of_terminal()) >= WIDE
    table = plain_table(title)
    table.add_column("codec", overflow="fold")
    headings = ["quality", "bytes", "bits/pixel", "PSNR", "of mean MSE", "SSIM"]
    with_ms_ssim = any(point.ms_ssim is not None for point in points)
    headings += ["MS-SSIM"] * with_ms_ssim + ["payload", "estimate", "enc/s", "dec/s"] * wide
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    last = None
    for point in points:
        if last not in (None, point.codec):
            table.add_section()
        cells = [
            f"{point.quality:g}",
            f"{point.bytes_per_image:,.0f}",
            f"{point.bits_per_pixel:.3f}",
            f"{point.psnr:.2f}",
            f"{point.psnr_of_mean_mse:.2f}",
            _or_dash(point.ssim, ".3f"),
        ]
        cells += [_or_dash(point.ms_ssim, ".4f")] * with_ms_ssim
        if wide:
            cells += [_or_dash(point.payload_bits_per_pixel, ".3f"), _or_dash(point.estimated_bits_per_pixel, ".3f")]
            cells += [f"{point.encode_images_per_second:,.0f}", f"{point.decode_images_per_second:,.0f}"]
        name = Text(point.codec if point.codec != last else "", style="bold")
        table.add_row(name, *cells, style="bold" if point.settings.get("default") else "")
        last = point.codec
    images = points[0].images if points else 0
    table.caption = (
        f"{images:,} images; whole files, headers included; PSNR in dB, mean over images; quality of a model: its step"
    )
    return table


def bd_rate_table(rows: Sequence[BdRate], *, title: str = "BD-rate") -> Table:
    """Return one row per pair of codecs, a column per metric; a dash where it is refused, with the reasons below."""
    table = plain_table(title)
    table.add_column("codec", overflow="fold")
    table.add_column("against", no_wrap=True)
    for heading in METRICS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    pairs: dict[tuple[str, str], dict[str, BdRate]] = {}
    for row in rows:
        pairs.setdefault((row.codec, row.against), {})[row.metric] = row
    last, refused = None, False
    for (codec, against), found in pairs.items():
        cells = [_percent(found.get(metric), metric) for metric in METRICS]
        refused |= any(one.bd_rate_percent is None for one in found.values())
        table.add_row("" if codec == last else codec, against, *cells)
        last = codec
    table.caption = "bits at equal quality, negative is better; beneath it the qualities that both curves reach" + (
        "; – where they share too little" if refused else ""
    )
    return table


def _percent(row: BdRate | None, metric: str) -> Text:
    if row is None or row.bd_rate_percent is None:
        return Text("–", style="dim")
    text = Text(justify="right")
    text.append(f"{row.bd_rate_percent:+.1f} %", style="green" if row.bd_rate_percent < 0 else "")
    low, high = row.overlap
    written = f"\n{low:.3f}–{high:.3f}" if metric == "ssim" else f"\n{low:.1f}–{high:.1f} dB"
    return text.append(written, style="dim")


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)
