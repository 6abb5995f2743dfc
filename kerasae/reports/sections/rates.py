"""Quality against rate, where files were coded."""

from kerasae.records import BdRate, RateContent, RatePoint, ReportContent
from kerasae.reports.blocks import LOOKS, Details, Figure, Panel, Paragraph, Section, Table
from kerasae.reports.grids import Cell, Column, Grid
from kerasae.reports.svg import Axes, Line, line_chart
from kerasae.reports.wording import METRICS, in_order, minus


def rates_section(content: ReportContent) -> Section | None:
    """Return curves, BD-rates and points for each set of images that codecs were measured on."""
    blocks = [block for place, rate in enumerate(content.rates) if rate.points for block in _blocks(rate, place)]
    return Section("rates", "Quality against bits", "Bits", blocks) if blocks else None


def is_model(points: list[RatePoint]) -> bool:
    """Return whether points are of one of kerasae's models: only they know their payload."""
    return any(point.payload_bits_per_pixel is not None for point in points)


def _blocks(rate: RateContent, place: int):
    curves: dict[str, list[RatePoint]] = {}
    for point in rate.points:
        name = f"{point.codec}, noise σ {point.sigma:g}" if point.sigma else point.codec
        curves.setdefault(name, []).append(point)
    for points in curves.values():
        points.sort(key=lambda point: point.bits_per_pixel)
    # Models first: they take the first looks and stand first in the legend.
    curves = dict(sorted(curves.items(), key=lambda item: not is_model(item[1])))
    looks = {name: index % LOOKS + 1 for index, name in enumerate(curves)}
    panels = []
    for metric in ("psnr", "ssim"):
        lines = [_line(name, points, metric, looks[name]) for name, points in curves.items()]
        lines = [line for line in lines if line.points]
        if lines:
            title = f"{metric.upper()} against bits per pixel: {rate.title}"
            axes = Axes("bits per pixel, whole files (logarithmic)", "", x_log=True)
            chart = line_chart(f"rate-{place}-{metric}", title, _gist(lines), lines, axes, height=270.0)
            panels.append(Panel(METRICS[metric], chart))
    caption = (
        f"{rate.title}: quality of the decoded image over bits per pixel of whole files, headers included, mean "
        f"over {rate.points[0].images:,} images. Up and to the left is better. Thick: kerasae’s models; "
        "thin: classical codecs."
    )
    legend = [(name, looks[name], not is_model(points)) for name, points in curves.items()]
    yield Figure(f"rate-{place}", caption, panels, legend)
    if rate.bd_rates:
        yield Table(f"bd-rate-{place}", _bd_grid(rate.bd_rates, rate.title))
        refused = in_order(row.message for row in rate.bd_rates if row.bd_rate_percent is None and row.message)
        if refused:
            yield Paragraph("Refused: " + "; ".join(refused) + ".", quiet=True)
    yield Details("All points", [Table(f"rate-{place}-table", _points_grid(curves, rate.title))])


def _line(name, points, metric, look):
    chosen = [(point.bits_per_pixel, getattr(point, metric)) for point in points if getattr(point, metric) is not None]
    own = is_model(points)  # with symbols as well, since there are more codecs than looks
    return Line(name, look, chosen, weight="thick" if own else "thin", symbols=own)


def _gist(lines: list[Line]) -> str:
    return "; ".join(
        f"{line.label}: {line.points[0][1]:.3g} at {line.points[0][0]:.3g} bits per pixel to "
        f"{line.points[-1][1]:.3g} at {line.points[-1][0]:.3g}"
        for line in lines
    )


def _bd_grid(rows: tuple[BdRate, ...], title: str) -> Grid:
    names = {"psnr": "PSNR", "psnr_of_mean_mse": "PSNR of mean MSE", "ssim": "SSIM"}
    metrics = in_order(row.metric for row in rows)
    pairs: dict[tuple[str, str], dict[str, BdRate]] = {}
    for row in rows:
        pairs.setdefault((row.codec, row.against), {})[row.metric] = row
    columns = (Column("codec", False), Column("against", False))
    columns += tuple(Column(f"bits at equal {names.get(metric, metric)}") for metric in metrics)
    body = []
    for place, ((codec, against), found) in enumerate(pairs.items()):
        cells = [_percent(found.get(metric), metric) for metric in metrics]
        body.append((Cell(codec, place), Cell(against, against), *cells))
    caption = f"BD-rate, {title}: difference in bits at equal quality, negative is fewer bits; [qualities both reach]"
    return Grid(caption, columns, tuple(body))


def _percent(row: BdRate | None, metric: str) -> Cell:
    if row is None or row.bd_rate_percent is None:
        return Cell("–")
    digits = 3 if metric == "ssim" else 1
    overlap = f"[{row.overlap[0]:.{digits}f}, {row.overlap[1]:.{digits}f}]" if row.overlap else ""
    return Cell(minus(f"{row.bd_rate_percent:+.1f} %"), row.bd_rate_percent, overlap)


def _points_grid(curves: dict[str, list[RatePoint]], title: str) -> Grid:
    columns = (
        Column("codec", False), Column("quality"), Column("bytes per image"), Column("bits per pixel"),
        Column("payload, bits per pixel"), Column("PSNR, dB"), Column("PSNR of mean MSE, dB"), Column("SSIM"),
        Column("encoded, images/s"), Column("decoded, images/s"),
    )  # fmt: skip
    rows = []
    for name, points in curves.items():
        for point in points:
            numbers = [
                (point.quality, "g"), (point.bytes_per_image, ",.0f"), (point.bits_per_pixel, ".3f"),
                (point.payload_bits_per_pixel, ".3f"), (point.psnr, ".2f"), (point.psnr_of_mean_mse, ".2f"),
                (point.ssim, ".3f"), (point.encode_images_per_second, ",.0f"), (point.decode_images_per_second, ",.0f"),
            ]  # fmt: skip
            cells = [Cell("–" if value is None else format(value, form), value) for value, form in numbers]
            rows.append((Cell(name, len(rows)), *cells))
    return Grid(f"{title}: what each codec takes and gives", columns, tuple(rows))
