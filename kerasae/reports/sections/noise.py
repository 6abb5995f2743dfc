"""Quality against the noise on the input."""

from kerasae.records import CellScore, ReportContent, Score
from kerasae.reports.blocks import Details, Figure, Panel, Section, Series, Table, legend_of, panels_of, series_of
from kerasae.reports.grids import Cell, Column, Grid, measured
from kerasae.reports.sections.scores import matrices
from kerasae.reports.svg import Axes, Line, line_chart
from kerasae.reports.wording import METRICS, in_order, is_reference, sigmas_of, with_decoding, written


def noise_section(content: ReportContent) -> Section | None:
    """Return curves of PSNR and SSIM over sigma, a table of them, and matrices where training noise is an axis."""
    sigmas = sigmas_of(content)
    series = series_of(content)
    if len(sigmas) < 2 or not any(one.scores for one in series):
        return None
    tables = [Table(f"noise-{metric}-table", _grid(content, series, sigmas, metric)) for metric in ("psnr", "ssim")]
    blocks = [
        *_figures(content, series),
        *matrices(series, sigmas),
        Details("The same as tables, at every noise level", tables),
    ]
    return Section("noise", "Under noise", "Noise", blocks)


def reference_scores(content: ReportContent) -> list[Score | CellScore]:
    """Return what doing nothing scores, by sigma; the clean image against itself is left out."""
    scores = list(content.study.do_nothing) if content.study else []
    scores += [score for score in content.do_nothing if not content.study]
    scores += [score for run in content.runs for score in run.scores if is_reference(score) and not content.study]
    once = {score.sigma: score for score in reversed(scores) if score.mse.mean > 0}
    return [once[sigma] for sigma in sorted(once)]


def _figures(content: ReportContent, series: list[Series]) -> list[Figure]:
    """Return a figure for each metric; one for both where each has but a single panel."""
    legend = legend_of(series) + [("do nothing", 0, True)] * bool(reference_scores(content))
    panels = {metric: _panels(content, series, metric) for metric in ("psnr", "ssim")}
    words = (
        "against the clean image, mean with its 95 % interval as a band, over the noise on the input. The dotted "
        "line is the noisy image itself: below it, a model harms more than it helps."
    )
    if len(panels["psnr"]) == 1:
        return [Figure("noise-both", f"PSNR and SSIM {words}", panels["psnr"] + panels["ssim"], legend)]
    return [Figure(f"noise-{metric}", f"{metric.upper()} {words}", panels[metric], legend) for metric in panels]


def _panels(content: ReportContent, series: list[Series], metric: str) -> list[Panel]:
    nothing = [(score.sigma, getattr(score, metric).mean) for score in reference_scores(content)]
    by_name = panels_of(series)
    y_name = METRICS[metric] if all(by_name) else ""
    span = _span(series, nothing, metric)
    axes = Axes("σ of the noise on the input", y_name, x_ticks=sigmas_of(content), y_span=span)
    panels = []
    for place, (name, lines) in enumerate(by_name.items()):
        drawn = [_line(one, metric) for one in lines if one.scores]
        drawn.append(Line("do nothing", 0, nothing, symbols=False))
        title = f"{metric.upper()} against noise{f': {name}' if name else ''}"
        chart = line_chart(f"noise-{metric}-{place}", title, _gist(drawn, metric), drawn, axes)
        panels.append(Panel(name or METRICS[metric], chart))
    return panels


def _span(series: list[Series], nothing: list[tuple[float, float]], metric: str) -> tuple[float, float]:
    """Return what the y axes show: all models, and doing nothing as far as it is near them.

    It starts at a perfect image and ends far below, and would press the other curves together.
    """
    ends = [end for one in series for score in one.scores for end in _ends(score, metric)]
    low, high = min(ends), max(ends)
    room = 0.25 * max(high - low, 0.01 * abs(high))
    kept = [value for _, value in nothing if low - room <= value <= high + room]
    return min([low, *kept]), max([high, *kept])


def _ends(score, metric):
    summary = getattr(score, metric)
    return summary.mean, summary.low, summary.high


def _line(one: Series, metric: str) -> Line:
    ends = [(score.sigma, *_ends(score, metric)) for score in one.scores]
    points, band = [(x, mean) for x, mean, _, _ in ends], [(low, high) for _, _, low, high in ends]
    return Line(one.label, one.look, points, band, weight="thin" if one.thin else "", symbols=not one.thin)


def _gist(lines: list[Line], metric: str) -> str:
    parts = []
    for line in lines:
        if line.points:
            (x0, y0), (x1, y1) = line.points[0], line.points[-1]
            parts.append(f"{line.label}: {written(metric, y0)} at σ {x0:g}, {written(metric, y1)} at σ {x1:g}")
    return "; ".join(parts) + "."


def _grid(content: ReportContent, series: list[Series], sigmas: list[float], metric: str) -> Grid:
    columns = (Column("noise σ", False), *(Column(f"{sigma:g}" if sigma else "clean") for sigma in sigmas))
    named = [(with_decoding(one.cell, one.decoded_from), one.scores) for one in series if one.scores]
    named += [("do nothing", reference_scores(content))]
    rows = []
    for place, (name, scores) in enumerate(named):
        found = {score.sigma: getattr(score, metric) for score in scores}
        cells = [measured(metric, found[sigma]) if sigma in found else Cell("–") for sigma in in_order(sigmas)]
        rows.append((Cell(name, place), *cells))
    return Grid(f"{METRICS[metric]} at each noise level, [95 % interval of the mean]", columns, tuple(rows))
