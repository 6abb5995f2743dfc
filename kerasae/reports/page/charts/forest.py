"""Effects with intervals, in the order of the study and never by size."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kerasae.reports.page.charts.frame import WIDTH, tick_label
from kerasae.reports.page.charts.scale import Scale, spanning
from kerasae.reports.page.charts.svg import drawing, element, text

LEFT, RIGHT, ROW, TOP = 92.0, 232.0, 19.0, 14.0
# Only what a study can see has a colour and points somewhere.
_SHAPES = {
    "higher": ("M{x0} {y1}L{x} {y0}L{x2} {y1}Z", "dot f1", "line l1 effect"),
    "lower": ("M{x0} {y0}L{x} {y1}L{x2} {y0}Z", "dot f2", "line l2 effect"),
}
_UNRANKED = ("M{x0} {y}L{x} {y0}L{x2} {y}L{x} {y1}Z", "hollow", "line unranked effect")


@dataclass(frozen=True)
class Effect:
    """A difference with its interval. ``words`` are written at its right; a ``verdict`` that is no finding is gray."""

    label: str
    difference: float
    low: float
    high: float
    verdict: str
    words: str


def span_of(groups: Sequence[tuple[str, Sequence[Effect]]]) -> tuple[float, float]:
    """Return the least and the greatest end of all intervals, with 0 among them."""
    ends = [0.0, *(end for _, effects in groups for effect in effects for end in (effect.low, effect.high))]
    return min(ends), max(ends)


def forest(
    ident: str,
    title: str,
    description: str,
    groups: Sequence[tuple[str, Sequence[Effect]]],
    *,
    span: tuple[float, float],
    unit: str,
) -> Markup:
    """Return the plot: a heading for each group, a row for each effect, a line at 0; ``span`` as of ``span_of``."""
    x = spanning(list(span), LEFT, RIGHT, margin=0.06)
    rows, place = [], TOP
    for heading, effects in groups:
        if heading:
            rows.append(text(2, place + 12, _cut(heading, 52), class_="t b"))
            place += ROW
        for effect in effects:
            rows += _row(effect, x, place + ROW / 2)
            place += ROW
        place += 5
    bottom = place + 2
    marks = _ground(x, bottom, unit)
    return drawing(ident, WIDTH, bottom + 38, title, description, marks + rows)


def _ground(x: Scale, bottom: float, unit: str) -> list[Markup]:
    marks = []
    for tick in x.ticks(3):
        place = float(x(tick))
        marks.append(element("line", x1=place, x2=place, y1=TOP, y2=bottom, class_="grid"))
        marks.append(text(place, bottom + 14, tick_label(tick), anchor="middle", class_="t q"))
    marks.append(element("line", x1=float(x(0)), x2=float(x(0)), y1=TOP - 6, y2=bottom, class_="zero"))
    marks.append(text((LEFT + RIGHT) / 2, bottom + 30, unit, anchor="middle", class_="t q"))
    return marks


def _row(effect: Effect, x: Scale, y: float) -> list[Markup]:
    shape, dot, line = _SHAPES.get(effect.verdict, _UNRANKED)
    middle = x(effect.difference)
    places = {"x0": middle - 4.6, "x": middle, "x2": middle + 4.6, "y0": y - 4.4, "y": y, "y1": y + 4.4}
    corners = shape.format(**{key: f"{value:.2f}" for key, value in places.items()})
    return [
        text(10, y + 3.8, _cut(effect.label)),
        element("line", x1=float(x(effect.low)), x2=float(x(effect.high)), y1=float(y), y2=float(y), class_=line),
        element("path", d=corners, class_=dot),
        text(WIDTH - 2, y + 3.8, effect.words, anchor="end", class_="t s" if effect.verdict in _SHAPES else "t s q"),
    ]


def _cut(label: str, longest: int = 13) -> str:
    # Whole names stand in the description and in the table.
    return label if len(label) <= longest else label[: longest - 1] + "…"
