"""Lines with bands."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kerasae.reports.page.charts.frame import WIDTH, Frame, axis_names, grid, left_margin
from kerasae.reports.page.charts.scale import Scale, spanning
from kerasae.reports.page.charts.svg import drawing, element, path
from kerasae.reports.page.charts.symbol import symbol


@dataclass(frozen=True)
class Line:
    """One line: ``look`` is 1 to 7 of the theme, 0 the quiet reference; ``band`` holds (low, high) of each point."""

    label: str
    look: int
    points: Sequence[tuple[float, float]]
    band: Sequence[tuple[float, float]] = ()
    weight: str = ""  # "thin", "thick"
    symbols: bool = True


@dataclass(frozen=True)
class Axes:
    """Names and kinds of the two axes.

    ``x_ticks`` are set where the places measured say more than round numbers; ``y_span`` where panels share a scale,
    which then cuts lines that leave it.
    """

    x_name: str
    y_name: str
    x_log: bool = False
    y_log: bool = False
    x_ticks: Sequence[float] = ()
    y_span: tuple[float, float] | None = None


def line_chart(
    ident: str, title: str, description: str, lines: Sequence[Line], axes: Axes, *, height: float = 236.0
) -> Markup:
    """Return the chart of ``lines``; points that are not finite interrupt them."""
    x, y, frame = scales(lines, axes, height)
    x_ticks = _apart(list(axes.x_ticks), x) if axes.x_ticks else x.ticks(5)
    marks = grid(frame, x, y, x_ticks, y.ticks(5)) + axis_names(frame, axes.x_name, axes.y_name)
    drawn = [_band(line, x, y) for line in lines if line.band]
    drawn += [mark for line in lines for mark in _stroke(line, x, y)]
    if axes.y_span:
        inner = element(
            "rect",
            x=frame.left - 5,
            y=frame.top - 5,
            width=frame.right - frame.left + 10,
            height=frame.bottom - frame.top + 10,
        )
        marks.append(element("clipPath", inner, id=f"{ident}-c"))
        drawn = [element("g", *drawn, clip_path=f"url(#{ident}-c)")]
    return drawing(ident, WIDTH, height, title, description, marks + drawn)


def scales(lines: Sequence[Line], axes: Axes, height: float) -> tuple[Scale, Scale, Frame]:
    """Return the x scale, the y scale (upwards) and the rectangle that both fill."""
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points] + [end for line in lines for pair in line.band for end in pair]
    ys = list(axes.y_span or ys)
    top, bottom = (30.0 if axes.y_name else 12.0), height - 42
    y = spanning(ys, bottom, top, log=axes.y_log)
    frame = Frame(left_margin(y.ticks(5)), WIDTH - 12, top, bottom)
    return spanning(xs, frame.left, frame.right, log=axes.x_log, margin=0.02), y, frame


def _apart(ticks, x):
    """Leave out ticks whose numbers would run into the one before."""
    kept: list[float] = []
    for tick in sorted(ticks):
        if not kept or x(tick) - x(kept[-1]) >= 30:
            kept.append(tick)
    return kept


def _finite(points, *, x_log=False, y_log=False):
    return [
        (a, b)
        for a, b in points
        if math.isfinite(a) and math.isfinite(b) and (a > 0 or not x_log) and (b > 0 or not y_log)
    ]


def _band(line, x, y):
    pairs = [(px, low, high) for (px, _), (low, high) in zip(line.points, line.band, strict=True)]
    outline = [(x(px), y(low)) for px, low, _ in pairs] + [(x(px), y(high)) for px, _, high in reversed(pairs)]
    return path(outline, class_=f"band f{line.look}")


def _stroke(line, x, y):
    marks = []
    for run in _unbroken(line.points, x.log, y.log):
        places = [(x(a), y(b)) for a, b in run]
        if len(places) > 1:
            marks.append(path(places, class_=f"line l{line.look} {line.weight}".strip()))
        if line.symbols or len(places) == 1:
            marks += [symbol(line.look, *place) for place in places]
    return [element("g", *marks)] if marks else []


def _unbroken(points, x_log, y_log):
    runs: list[list[tuple[float, float]]] = [[]]
    for point in points:
        if _finite([point], x_log=x_log, y_log=y_log):
            runs[-1].append(point)
        elif runs[-1]:
            runs.append([])
    return [run for run in runs if run]
