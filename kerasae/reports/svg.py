"""Charts of the page, as SVG."""

from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup, escape

from kerasae.reports.charts import Chart, Effect, Forest, Line, Mark, Points, Scale, spanning, tick_label

# Of every panel: about what a phone shows, so that words in it keep their size there. A study has a small one per cell.
WIDTH, HEIGHT = 360.0, 236.0
SMALL_WIDTH, SMALL_HEIGHT = 256.0, 152.0
_MOST_POINTS = 150  # of a line: more would not be seen, but would be sent


def draw(chart: Chart | Forest, ident: str, *, small: bool = False) -> Markup:
    """Return ``chart`` as an SVG element; names within it begin with ``ident``."""
    if isinstance(chart, Forest):
        return _forest(chart, ident)
    x, y, frame = frame_of(chart, small=small)
    marks = _grid(chart, x, y, frame)
    if chart.shade:
        low, high = (min(max(x(end), frame.left), frame.right) for end in chart.shade)
        marks.insert(0, _rectangle(low, frame.top, high, frame.bottom, class_="band f1"))
    if len(chart.heights):
        marks.append(path([(x(a), y(b)) for a, b in chart.outline], class_="bars"))
    drawn = [_band(line, x, y) for line in chart.lines if line.band]
    drawn += [mark for line in chart.lines for mark in _stroke(line, x, y)]
    if chart.y.span:
        inner = _rectangle(frame.left - 5, frame.top - 5, frame.right + 5, frame.bottom + 5)
        marks.append(element("clipPath", inner, id=f"{ident}-c"))
        drawn = [element("g", *drawn, clip_path=f"url(#{ident}-c)")]
    uprights = [part for mark in chart.marks for part in _upright(mark, float(x(mark.x)), frame)]
    return _drawing(ident, frame.right + 12, frame.bottom + 42, chart, [*marks, *drawn, *uprights])


@dataclass(frozen=True)
class Frame:
    """The inner rectangle of a chart, in its own units; ``top`` < ``bottom``."""

    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True)
class Along:
    """A scale laid along one side of the frame."""

    scale: Scale
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of ``value``."""
        return self.start + self.scale(value) * (self.end - self.start)


def frame_of(chart: Chart, *, small: bool = False) -> tuple[Along, Along, Frame]:
    """Return the x axis, the y axis (upwards) and the rectangle that both fill."""
    width, height = (SMALL_WIDTH, SMALL_HEIGHT) if small else (WIDTH, HEIGHT)
    top, bottom = (28.0 if chart.y.name else 12.0), height - 42
    ticks = chart.y.places(chart.y_scale, 3 if small else 5)
    frame = Frame(10 + 6.3 * max((len(tick_label(tick)) for tick in ticks), default=1), width - 12, top, bottom)
    return Along(chart.x_scale, frame.left, frame.right), Along(chart.y_scale, bottom, top), frame


def _grid(chart: Chart, x: Along, y: Along, frame: Frame) -> list[Markup]:
    """Return light lines across, a base line, short strokes below it, all their numbers, and the names of the axes."""
    small = frame.right < SMALL_WIDTH
    marks = []
    for tick in chart.y.places(y.scale, 3 if small else 5):
        place = float(y(tick))
        marks.append(element("line", x1=frame.left, x2=frame.right, y1=place, y2=place, class_="grid"))
        marks.append(text(frame.left - 6, place + 3.8, tick_label(tick), anchor="end", class_="t q"))
    marks.append(element("line", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom, class_="axis"))
    for tick in chart.x.places(x.scale, 4 if small else 5):
        place = float(x(tick))
        marks.append(element("line", x1=place, x2=place, y1=frame.bottom, y2=frame.bottom + 4, class_="axis"))
        marks.append(text(place, frame.bottom + 16, tick_label(tick), anchor="middle", class_="t q"))
    if chart.y.name:
        marks.append(text(2, frame.top - 10, chart.y.name))
    middle = (frame.left + frame.right) / 2
    return [*marks, text(middle, frame.bottom + 32, chart.x.name, anchor="middle", class_="t q")]


def _band(line: Line, x: Along, y: Along) -> Markup:
    pairs = [(px, low, high) for (px, _), (low, high) in zip(line.points, line.band, strict=True)]
    outline = [(x(px), y(low)) for px, low, _ in pairs] + [(x(px), y(high)) for px, _, high in reversed(pairs)]
    return path(outline, class_=f"band f{line.look}")


def _stroke(line: Line, x: Along, y: Along) -> list[Markup]:
    marks = []
    for piece in line.pieces(x_log=x.scale.log, y_log=y.scale.log):
        places = [(x(a), y(b)) for a, b in (piece if line.symbols else thinned(piece))]
        if len(places) > 1:
            marks.append(path(places, class_=f"line l{line.look} {line.weight}".strip()))
        if line.symbols or len(places) == 1:
            marks += [symbol(line.look, *place) for place in places]
    return [element("g", *marks)] if marks else []


def thinned(points: Points, count: int = _MOST_POINTS) -> Points:
    """Return at most ``count`` points, evenly chosen, the first, the last and the lowest among them."""
    if len(points) <= count:
        return points
    lowest = min(range(len(points)), key=lambda index: points[index][1])
    kept = {round(index * (len(points) - 1) / (count - 2)) for index in range(count - 1)} | {lowest}
    return [points[index] for index in sorted(kept)]


def _upright(mark: Mark, place: float, frame: Frame) -> list[Markup]:
    drawn = [path([(place, frame.top), (place, frame.bottom)], class_=mark.role)]
    if mark.text:
        late = place > (frame.left + frame.right) / 2
        beside = place + (-6 if late else 6)
        drawn.append(text(beside, frame.top + 11, mark.text, anchor="end" if late else "start"))
    return drawn


_LEFT, _RIGHT, _ROW, _TOP = 92.0, 232.0, 19.0, 14.0
# Only what a study can see has a colour and points somewhere.
_EFFECTS = {
    "higher": ("M{x0} {y1}L{x} {y0}L{x2} {y1}Z", "dot f1", "line l1 effect"),
    "lower": ("M{x0} {y0}L{x} {y1}L{x2} {y0}Z", "dot f2", "line l2 effect"),
}
_UNRANKED = ("M{x0} {y}L{x} {y0}L{x2} {y}L{x} {y1}Z", "hollow", "line unranked effect")


def forest_axis(forest: Forest) -> Along:
    """Return the x axis of a forest."""
    return Along(spanning(forest.span, margin=0.06), _LEFT, _RIGHT)


def _forest(forest: Forest, ident: str) -> Markup:
    x, rows, place = forest_axis(forest), [], _TOP
    for heading, effects in forest.groups:
        if heading:
            rows.append(text(2, place + 12, _cut(heading, 52), class_="t b"))
            place += _ROW
        for effect in effects:
            rows += _row(effect, x, place + _ROW / 2)
            place += _ROW
        place += 5
    bottom, marks = place + 2, []
    for tick in x.scale.ticks(3):
        at = float(x(tick))
        marks.append(element("line", x1=at, x2=at, y1=_TOP, y2=bottom, class_="grid"))
        marks.append(text(at, bottom + 14, tick_label(tick), anchor="middle", class_="t q"))
    marks.append(element("line", x1=float(x(0)), x2=float(x(0)), y1=_TOP - 6, y2=bottom, class_="zero"))
    marks.append(text((_LEFT + _RIGHT) / 2, bottom + 30, forest.unit, anchor="middle", class_="t q"))
    return _drawing(ident, WIDTH, bottom + 38, forest, marks + rows)


def _row(effect: Effect, x: Along, y: float) -> list[Markup]:
    shape, dot, line = _EFFECTS.get(effect.verdict, _UNRANKED)
    middle, low, high = (float(x(value)) for value in (effect.difference, effect.low, effect.high))
    places = {"x0": middle - 4.6, "x": middle, "x2": middle + 4.6, "y0": y - 4.4, "y": y, "y1": y + 4.4}
    corners = shape.format(**{key: f"{value:.2f}" for key, value in places.items()})
    quiet = "" if effect.verdict in _EFFECTS else " q"
    return [
        text(10, y + 3.8, _cut(effect.label, 13)),
        element("line", x1=low, x2=high, y1=float(y), y2=float(y), class_=line),
        element("path", d=corners, class_=dot),
        text(WIDTH - 2, y + 3.8, effect.words, anchor="end", class_=f"t s{quiet}"),
    ]


def _cut(label: str, longest: int) -> str:
    # Whole names stand in the description and in the table.
    return label if len(label) <= longest else label[: longest - 1] + "…"


# Relative to the point, about as heavy as one another; looks 0 and 1 are circles.
_SHAPES = (
    (),
    (),
    ((-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)),
    ((0, -4.4), (4.1, 3), (-4.1, 3)),
    ((0, -4.7), (4.7, 0), (0, 4.7), (-4.7, 0)),
    ((0, 4.4), (4.1, -3), (-4.1, -3)),
    ((-1.4, -4), (1.4, -4), (1.4, -1.4), (4, -1.4), (4, 1.4), (1.4, 1.4), (1.4, 4), (-1.4, 4), (-1.4, 1.4), (-4, 1.4),
     (-4, -1.4), (-1.4, -1.4)),
    ((-4.4, -1.6), (4.4, -1.6), (4.4, 1.6), (-4.4, 1.6)),
)  # fmt: skip


def symbol(look: int, x: float, y: float) -> Markup:
    """Return the shape of ``look`` at (x, y); 0 and 1 are circles, 0 the smaller."""
    if not _SHAPES[look]:
        return element("circle", cx=float(x), cy=float(y), r=3.4 if look else 2.2, class_=f"dot f{look}")
    return path([(x + dx, y + dy) for dx, dy in _SHAPES[look]], end="Z", class_=f"dot f{look}")


def swatch(line: Line) -> Markup:
    """Return a piece of ``line`` with its symbol, for a legend; a screen reader gets the words beside it only."""
    return element(
        "svg",
        element("line", x1=1, x2=33, y1=7, y2=7, class_=f"line l{line.look} {line.weight}".strip()),
        *([symbol(line.look, 17, 7)] if line.symbols else []),
        viewBox="0 0 34 14",
        class_="swatch",
        aria_hidden="true",
        focusable="false",
    )


def _drawing(ident: str, width: float, height: float, chart: Chart | Forest, marks: Iterable[Markup]) -> Markup:
    """Return the whole picture, which a screen reader announces by the chart's title and gist."""
    return element(
        "svg",
        element("title", chart.title, id=f"{ident}-t"),
        element("desc", chart.gist, id=f"{ident}-d"),
        *marks,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_labelledby=f"{ident}-t {ident}-d",
        class_="chart",
    )


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def element(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """Return an element; ``class_`` stands for ``class``, other underscores for hyphens; None leaves one out.

    Children that are not ``Markup`` are escaped, and attributes always.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(value) if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def path(points: Points, *, end: str = "", **attributes: object) -> Markup:
    """Return a line through ``points``; ``end="Z"`` closes it."""
    return element("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points) + end, **attributes)


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "t") -> Markup:
    """Return ``words`` on the line ``y``."""
    anchor = None if anchor == "start" else anchor
    return element("text", words, x=float(x), y=float(y), text_anchor=anchor, class_=class_)


def _rectangle(left: float, top: float, right: float, bottom: float, **attributes: object) -> Markup:
    return element("rect", x=left, y=top, width=right - left, height=bottom - top, **attributes)
