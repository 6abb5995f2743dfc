"""Charts of the page, as SVG."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape


@dataclass(frozen=True)
class Scale:
    """Maps ``low`` … ``high`` onto ``start`` … ``end``, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of ``value``."""
        low, high, value = (math.log(number) if self.log else number for number in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Return about ``count`` round numbers within the scale."""
        return _log_ticks(self.low, self.high, count) if self.log else _round_ticks(self.low, self.high, count)


def spanning(values: list[float], start: float, end: float, *, log: bool = False, margin: float = 0.05) -> Scale:
    """Return a scale over the finite ``values``, a ``margin`` of its length beyond; of some width if all agree."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)] or [1.0]
    low, high = min(finite), max(finite)
    if log:
        low, high = (low / 1.5, high * 1.5) if high / low < 1.0001 else (low, high)
        room = (high / low) ** margin
        return Scale(low / room, high * room, start, end, log=True)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * max(abs(low), 1e-3) * 0.1, high + 0.5 * max(abs(high), 1e-3) * 0.1
    room = margin * (high - low)
    return Scale(low - room, high + room, start, end)


def _round_ticks(low, high, count):
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _log_ticks(low, high, count):
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        ticks = [part * 10.0**decade for decade in decades for part in parts]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= count + 1:
            break
    if len(ticks) > count + 1:
        ticks = ticks[:: -(-len(ticks) // count)]
    return ticks if len(ticks) >= 2 else [tick for tick in _round_ticks(low, high, count) if tick > 0]


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


def path(points: Iterable[tuple[float, float]], **attributes: object) -> Markup:
    """Return a line through ``points``."""
    return element("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), **attributes)


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "t") -> Markup:
    """Return ``words`` on the line ``y``."""
    return element(
        "text", words, x=float(x), y=float(y), text_anchor=None if anchor == "start" else anchor, class_=class_
    )


def drawing(ident: str, width: float, height: float, title: str, description: str, marks: Iterable[Markup]) -> Markup:
    """Return the whole picture, which a screen reader announces by ``title`` and ``description``."""
    return element(
        "svg",
        element("title", title, id=f"{ident}-t"),
        element("desc", description, id=f"{ident}-d"),
        *marks,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_labelledby=f"{ident}-t {ident}-d",
        class_="chart",
    )


# Relative to the point, about as heavy as one another.
_SHAPES = (
    (),
    (),  # 1 is a circle
    ((-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)),
    ((0, -4.4), (4.1, 3), (-4.1, 3)),
    ((0, -4.7), (4.7, 0), (0, 4.7), (-4.7, 0)),
    ((0, 4.4), (4.1, -3), (-4.1, -3)),
    ((-1.4, -4), (1.4, -4), (1.4, -1.4), (4, -1.4), (4, 1.4), (1.4, 1.4), (1.4, 4), (-1.4, 4), (-1.4, 1.4), (-4, 1.4),
     (-4, -1.4), (-1.4, -1.4)),
    ((-4.4, -1.6), (4.4, -1.6), (4.4, 1.6), (-4.4, 1.6)),
)  # fmt: skip


def symbol(look: int, x: float, y: float, class_: str = "") -> Markup:
    """Return the shape of ``look`` at (x, y); 0 and 1 are circles, 0 the smaller."""
    class_ = class_ or f"dot f{look}"
    if not _SHAPES[look]:
        return element("circle", cx=float(x), cy=float(y), r=3.4 if look else 2.2, class_=class_)
    corners = "L".join(f"{number(x + dx)} {number(y + dy)}" for dx, dy in _SHAPES[look])
    return element("path", d=f"M{corners}Z", class_=class_)


def swatch(look: int, *, thin: bool = False) -> Markup:
    """Return a piece of line with its symbol, for a legend; a screen reader gets the words beside it only."""
    weight = " thin" if thin else ""
    return element(
        "svg",
        element("line", x1=1, x2=33, y1=7, y2=7, class_=f"line l{look}{weight}"),
        *([] if thin else [symbol(look, 17, 7)]),
        viewBox="0 0 34 14",
        class_="swatch",
        aria_hidden="true",
        focusable="false",
    )


WIDTH = 360.0  # of every panel: about what a phone shows, so that words in it keep their size there


@dataclass(frozen=True)
class Frame:
    """The inner rectangle of a chart, in its own units; ``top`` < ``bottom``."""

    left: float
    right: float
    top: float
    bottom: float


def tick_label(value: float) -> str:
    """Return a short number with a typographic minus."""
    return f"{value:g}".replace("-", "−") if 1e-4 <= abs(value) < 1e5 or value == 0 else _scientific(value)


def _scientific(value):
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def left_margin(ticks: list[float]) -> float:
    """Return the room that the numbers beside the y axis take."""
    return 10 + 6.3 * max(len(tick_label(tick)) for tick in ticks)


def grid(frame: Frame, x: Scale, y: Scale, x_ticks: list[float], y_ticks: list[float]) -> list[Markup]:
    """Return light lines across at ``y_ticks``, a base line, short strokes at ``x_ticks`` and all their numbers."""
    marks = []
    for tick in y_ticks:
        place = float(y(tick))
        marks.append(element("line", x1=frame.left, x2=frame.right, y1=place, y2=place, class_="grid"))
        marks.append(text(frame.left - 6, place + 3.8, tick_label(tick), anchor="end", class_="t q"))
    marks.append(element("line", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom, class_="axis"))
    for tick in x_ticks:
        place = float(x(tick))
        marks.append(element("line", x1=place, x2=place, y1=frame.bottom, y2=frame.bottom + 4, class_="axis"))
        marks.append(text(place, frame.bottom + 16, tick_label(tick), anchor="middle", class_="t q"))
    return marks


def axis_names(frame: Frame, x_name: str, y_name: str) -> list[Markup]:
    """Return the names: of the y axis above it, none where the panel's heading says it; of the x axis below it."""
    return [
        *([text(2, frame.top - 10, y_name)] if y_name else []),
        text((frame.left + frame.right) / 2, frame.bottom + 32, x_name, anchor="middle", class_="t q"),
    ]


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


HISTOGRAM_WIDTH, HEIGHT = 256.0, 152.0  # smaller than other charts: a study has one for each of its cells


def histogram(
    ident: str, title: str, description: str, values: np.ndarray, x_name: str, span: tuple[float, float]
) -> Markup:
    """Return bars of counts, with the mean as a full line, the median dashed, and one standard deviation shaded.

    ``values`` are finite, ``(images,)``; ``span`` is what the x axis shows, the same for charts to be compared.
    """
    counts, edges = bins(values)
    top, bottom = 26.0, HEIGHT - 42
    y = Scale(0, counts.max() * 1.06, bottom, top)
    ticks = [tick for tick in y.ticks(3) if tick == int(tick)]
    frame = Frame(left_margin(ticks), HISTOGRAM_WIDTH - 12, top, bottom)
    x = spanning([*span, float(edges[0]), float(edges[-1])], frame.left, frame.right, margin=0.03)
    mean, median, std = values.mean(), np.median(values), spread(values)
    low, high = (min(max(x(end), frame.left), frame.right) for end in (mean - std, mean + std))
    marks = [element("rect", x=low, y=top, width=high - low, height=bottom - top, class_="band f1")]
    marks += grid(frame, x, y, x.ticks(4), ticks) + axis_names(frame, x_name, "images")
    marks.append(path(_outline(counts, edges, x, y), class_="bars"))
    marks.append(path([(x(mean), top), (x(mean), bottom)], class_="mean"))
    marks.append(path([(x(median), top), (x(median), bottom)], class_="median"))
    return drawing(ident, HISTOGRAM_WIDTH, HEIGHT, title, description, marks)


def bins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts ``(bins,)`` and edges ``(bins + 1,)``; a single bin of some width where all values agree."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(1.0, abs(high)):
        half = 0.02 * max(abs(low), 1e-3)
        return np.array([values.size]), np.array([low - half, low + half])
    return np.histogram(values, bins=int(np.clip(2 * np.cbrt(values.size), 5, 40)), range=(low, high))


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over images (n − 1), 0 of a single one."""
    return float(values.std(ddof=1)) if values.size > 1 else 0.0


def _outline(counts, edges, x, y):
    points = [(x(edges[0]), y(0))]
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        points += [(x(left), y(count)), (x(right), y(count))]
    return [*points, (x(edges[-1]), y(0))]


def sorted_bars(
    ident: str,
    title: str,
    description: str,
    amounts: Sequence[float],
    *,
    names: tuple[str, str],
    marked: int,
    mark: str,
) -> Markup:
    """Return the chart of ``amounts``, sorted, with a line and ``mark`` after ``marked`` bars; ``names`` of x and y."""
    ordered = sorted(amounts, reverse=True)
    height, top, bottom = 210.0, 30.0, 168.0
    y = Scale(0, max(ordered[0], 1e-9) * 1.06, bottom, top)
    frame = Frame(left_margin(y.ticks(4)), WIDTH - 12, top, bottom)
    x = Scale(0, len(ordered), frame.left, frame.right)
    points = [(x(0), y(0))]
    for place, amount in enumerate(ordered):
        points += [(x(place), y(max(amount, 0))), (x(place + 1), y(max(amount, 0)))]
    points.append((x(len(ordered)), y(0)))
    marks = grid(frame, x, y, [tick for tick in x.ticks(5) if tick == int(tick)], y.ticks(4))
    marks += axis_names(frame, *names)
    marks.append(path(points, class_="bars"))
    if 0 < marked <= len(ordered):
        place = float(x(marked))
        marks.append(element("line", x1=place, x2=place, y1=top, y2=bottom, class_="median"))
        late = place > (frame.left + frame.right) / 2
        marks.append(text(place + (-6 if late else 6), top + 11, mark, anchor="end" if late else "start"))
    return drawing(ident, WIDTH, height, title, description, marks)


LEFT, RIGHT, ROW, TOP = 92.0, 232.0, 19.0, 14.0
# Only what a study can see has a colour and points somewhere.
_FOREST_SHAPES = {
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
    shape, dot, line = _FOREST_SHAPES.get(effect.verdict, _UNRANKED)
    middle = x(effect.difference)
    places = {"x0": middle - 4.6, "x": middle, "x2": middle + 4.6, "y0": y - 4.4, "y": y, "y1": y + 4.4}
    corners = shape.format(**{key: f"{value:.2f}" for key, value in places.items()})
    return [
        text(10, y + 3.8, _cut(effect.label)),
        element("line", x1=float(x(effect.low)), x2=float(x(effect.high)), y1=float(y), y2=float(y), class_=line),
        element("path", d=corners, class_=dot),
        text(
            WIDTH - 2,
            y + 3.8,
            effect.words,
            anchor="end",
            class_="t s" if effect.verdict in _FOREST_SHAPES else "t s q",
        ),
    ]


def _cut(label: str, longest: int = 13) -> str:
    # Whole names stand in the description and in the table.
    return label if len(label) <= longest else label[: longest - 1] + "…"
