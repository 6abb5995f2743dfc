"""How training went."""

import math
from collections.abc import Sequence

from kerasae.records import ReportContent, RunContent
from kerasae.reports.page.blocks import Figure, Panel, Section
from kerasae.reports.page.charts.line_chart import Axes, Line, line_chart
from kerasae.reports.page.series import Series, legend_of, one_per_cell, panels_of, series_of

POINTS = 150  # of a line: more would not be seen, but would be sent
_LOG_FROM = 5.0  # a curve that spans more than this factor shows its end on a logarithmic axis only
# heading, and the columns of the history in training and in validation; terms that stay 0 are left out
_PANELS = (
    ("validation MSE", "", "val_mse"),
    ("loss", "loss", "val_loss"),
    ("distortion", "distortion", "val_distortion"),
    ("rate, nats", "rate", "val_rate"),
    ("weight penalty", "penalty", "val_penalty"),
)


def training_section(content: ReportContent) -> Section | None:
    """Return the validation MSE over epochs, a line per run; of a single run the terms of its loss as well."""
    series = [one for one in one_per_cell(series_of(content)) if any(run.history for run in one.runs)]
    if not series:
        return None
    validated = any(_points(run, "val_mse") for one in series for run in one.runs)
    figures = [_one_run(content.runs[0])] if len(content.runs) == 1 and not content.study else []
    figures += [_validation(content, series)] if validated and not figures else []
    figures = [figure for figure in figures if figure.panels]
    return Section("training", "Training", "Training", figures) if figures else None


def thinned(points: Sequence[tuple[float, float]], count: int = POINTS) -> list[tuple[float, float]]:
    """Return at most ``count`` points, evenly chosen, the first, the last and the lowest among them."""
    if len(points) <= count:
        return list(points)
    lowest = min(
        range(len(points)), key=lambda index: points[index][1] if math.isfinite(points[index][1]) else math.inf
    )
    kept = {round(index * (len(points) - 1) / (count - 2)) for index in range(count - 1)} | {lowest}
    return [points[index] for index in sorted(kept)]


def _points(run: RunContent, key: str) -> list[tuple[float, float]]:
    pairs = [(row.get("epoch", place + 1), row.get(key, math.nan)) for place, row in enumerate(run.history)]
    pairs = [(float(epoch), math.nan if value is None else float(value)) for epoch, value in pairs]
    return pairs if any(math.isfinite(value) for _, value in pairs) else []


def _log(lines: Sequence[Line]) -> bool:
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > _LOG_FROM * min(values)


def _validation(content: ReportContent, series: list[Series]) -> Figure:
    panels = []
    by_panel = _cells_together(series)
    everything = [_line(one, run) for one in series for run in one.runs]
    log = _log(everything)
    for place, (name, members) in enumerate(by_panel.items()):
        lines = [line for one in members for run in one.runs if (line := _line(one, run)).points]
        if not lines:
            continue
        axes = Axes("epoch", "validation MSE" if name else "", y_log=log)
        title = f"Validation MSE over epochs{f': {name}' if name else ''}"
        chart = line_chart(f"loss-{place}", title, _gist(lines), lines, axes)
        panels.append(Panel(name or "validation MSE", chart))
    each = ", a line for each seed" if content.study else ""
    caption = f"Mean squared error on the validation images over epochs{each}{', logarithmic' if log else ''}."
    legend = [(label, look, True) for label, look, _ in legend_of(series)]
    return Figure("loss", caption, panels, legend)


def _cells_together(series: list[Series]) -> dict[str, list[Series]]:
    # The ways of decoding do not matter here, and only one of each cell is left.
    return {
        name.removesuffix(", from the mean").removesuffix(", from a sample"): members
        for name, members in panels_of(series).items()
    }


def _line(one: Series, run: RunContent) -> Line:
    points = thinned(_points(run, "val_mse"))
    return Line(f"{one.label}, seed {run.record.seed}", one.look, points, weight="thin", symbols=False)


def _gist(lines: Sequence[Line]) -> str:
    parts = []
    for line in lines:
        finite = [point for point in line.points if math.isfinite(point[1])]
        if finite:
            epoch, lowest = min(finite, key=lambda point: point[1])
            parts.append(f"{line.label}: lowest {lowest:.3g} at epoch {epoch:g}")
    return "; ".join(parts)


def _one_run(run: RunContent) -> Figure:
    panels = []
    for name, training, validation in _PANELS:
        pairs = [("training", 1, _points(run, training)), ("validation", 2, _points(run, validation))]
        lines = [
            Line(label, look, thinned(points), symbols=False)
            for label, look, points in pairs
            if any(value for _, value in points if math.isfinite(value))
        ]
        if lines:
            axes = Axes("epoch", "", y_log=_log(lines))
            chart = line_chart(f"loss-{validation}", f"{name} over epochs", _gist(lines), lines, axes)
            panels.append(Panel(name, chart))
    caption = (
        "Validation error and the terms of what training minimised, over epochs; logarithmic where a curve spans a "
        f"factor of more than {_LOG_FROM:g}."
    )
    return Figure("loss", caption, panels, [("training", 1, True), ("validation", 2, True)])
