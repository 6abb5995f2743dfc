"""What charts show, before they are drawn: ``figures`` draws them with matplotlib, ``svg`` for the page."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasae.reports.wording import metric_named

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Scale:
    """Maps ``low`` … ``high`` onto 0 … 1, linearly or by logarithm."""

    low: float
    high: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of ``value``."""
        low, high, value = (math.log(number) if self.log else number for number in (self.low, self.high, value))
        return (value - low) / (high - low)

    def ticks(self, count: int) -> list[float]:
        """Return about ``count`` round numbers within the scale."""
        return _log_ticks(self.low, self.high, count) if self.log else _round_ticks(self.low, self.high, count)


def spanning(values: Sequence[float], *, log: bool = False, margin: float = 0.05) -> Scale:
    """Return a scale over the finite ``values``, a ``margin`` of its length beyond; of some width if all agree."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)] or [1.0]
    low, high = min(finite), max(finite)
    if log:
        low, high = (low / 1.5, high * 1.5) if high / low < 1.0001 else (low, high)
        room = (high / low) ** margin
        return Scale(low / room, high * room, log=True)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.05 * max(abs(low), 1e-3), high + 0.05 * max(abs(high), 1e-3)
    room = margin * (high - low)
    return Scale(low - room, high + room)


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


def tick_label(value: float) -> str:
    """Return a short number with a typographic minus."""
    if 1e-4 <= abs(value) < 1e5 or value == 0:
        return f"{value:g}".replace("-", "−")
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


@dataclass(frozen=True)
class Axis:
    """``name`` stands beside the axis, none where the panel's heading says it; ``whole`` axes count.

    ``ticks`` are set where the places measured say more than round numbers; ``span`` where panels share a scale, which
    then cuts what leaves it.
    """

    name: str = ""
    log: bool = False
    ticks: Sequence[float] = ()
    span: tuple[float, float] | None = None
    whole: bool = False

    def places(self, scale: Scale, count: int) -> list[float]:
        """Return where ticks stand: those set that do not run into the one before, or about ``count`` round numbers."""
        if not self.ticks:
            return [tick for tick in scale.ticks(count) if not self.whole or tick == int(tick)]
        kept: list[float] = []
        for tick in sorted(self.ticks):
            if not kept or scale(tick) - scale(kept[-1]) >= 0.09:
                kept.append(tick)
        return kept


@dataclass(frozen=True)
class Line:
    """``look`` is 1 to 7 of the theme, 0 the quiet reference; ``band`` holds (low, high) of each point.

    ``label`` is what the legend has; ``detail`` tells lines of one label apart in words. ``weight`` is empty, ``thin``
    or ``thick``. Points that are not finite interrupt the line.
    """

    label: str
    look: int
    points: Points
    band: Points = ()
    weight: str = ""
    symbols: bool = True
    detail: str = ""

    @property
    def name(self) -> str:
        """Label and detail."""
        return f"{self.label}, {self.detail}" if self.detail else self.label

    def pieces(self, *, x_log: bool = False, y_log: bool = False) -> list[list[tuple[float, float]]]:
        """Return the unbroken runs of points that can be drawn."""
        runs: list[list[tuple[float, float]]] = [[]]
        for x, y in self.points:
            if math.isfinite(x) and math.isfinite(y) and (x > 0 or not x_log) and (y > 0 or not y_log):
                runs[-1].append((x, y))
            elif runs[-1]:
                runs.append([])
        return [run for run in runs if run]


@dataclass(frozen=True)
class Mark:
    """A line upwards at ``x`` with ``text`` beside it; ``role`` is ``mean``, ``median`` or ``best``."""

    x: float
    role: str
    text: str = ""


@dataclass(frozen=True)
class Chart:
    """Lines, or bars between ``edges`` as high as ``heights``; a ``shade`` (from, to) behind and marks before them.

    ``title`` and ``gist`` are what a screen reader says: what is drawn, and its main numbers.
    """

    title: str
    gist: str
    x: Axis
    y: Axis
    lines: Sequence[Line] = ()
    edges: Sequence[float] = ()
    heights: Sequence[float] = ()
    shade: tuple[float, float] | None = None
    marks: Sequence[Mark] = ()

    @property
    def x_scale(self) -> Scale:
        """The scale of all that is drawn, ``x.span`` included."""
        values = [x for line in self.lines for x, _ in line.points] + [*self.edges, *(self.x.span or ())]
        if self.x.whole and len(set(values)) == 1:
            return Scale(values[0] - 1, values[0] + 1)
        return spanning(values, log=self.x.log, margin=0.02)

    @property
    def y_scale(self) -> Scale:
        """``y.span`` or the scale of lines and their bands; bars stand on 0."""
        if len(self.heights):
            return Scale(0.0, max(*self.heights, 1e-9) * 1.06)
        values = [y for line in self.lines for _, y in line.points]
        values += [end for line in self.lines for pair in line.band for end in pair]
        return spanning(self.y.span or values, log=self.y.log)

    @property
    def outline(self) -> list[tuple[float, float]]:
        """The corners of the bars, from 0 to 0."""
        sides = zip(self.heights, self.edges[:-1], self.edges[1:], strict=True)
        corners = [corner for height, left, right in sides for corner in ((left, height), (right, height))]
        return [(self.edges[0], 0.0), *corners, (self.edges[-1], 0.0)]


@dataclass(frozen=True)
class Effect:
    """A difference with its interval. ``words`` are written at its right; a ``verdict`` that is no finding is gray."""

    label: str
    difference: float
    low: float
    high: float
    verdict: str
    words: str


@dataclass(frozen=True)
class Forest:
    """Groups of effects, each under its heading, around a line at 0; ``span`` is what the axis shows, in ``unit``."""

    title: str
    gist: str
    groups: Sequence[tuple[str, Sequence[Effect]]]
    span: tuple[float, float]
    unit: str


@dataclass(frozen=True)
class Panel:
    """One chart of a figure, with its heading and perhaps its numbers."""

    title: str
    chart: Chart | Forest
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """Panels that are read together; ``small`` ones stand closer.

    Where a figure is a file, lines have their names at their ends if ``names_at_ends``, else above each panel.
    """

    ident: str
    caption: str
    panels: Sequence[Panel]
    small: bool = False
    names_at_ends: bool = False

    @property
    def legend(self) -> list[Line]:
        """A line for each label that is drawn, the reference last."""
        lines: dict[str, Line] = {}
        for panel in self.panels:
            for line in getattr(panel.chart, "lines", ()):
                lines.setdefault(line.label, line)
        return sorted(lines.values(), key=lambda line: not line.look)


def histogram(name: str, metric: str, values: np.ndarray, title: str, span: tuple[float, float] | None = None) -> Panel:
    """Return the histogram of ``values`` of ``metric``, finite ``(images,)``: mean, median and one standard deviation.

    ``span`` is what the x axis shows, the same for charts to be compared.
    """
    about, count = metric_named(metric), values.size
    counts, edges = bins(values)
    mean, median = float(values.mean()), float(np.median(values))
    std = float(values.std(ddof=1)) if count > 1 else 0.0
    note = ", ".join(f"{word} {about.format(value)}" for word, value in zip(_PARTS, (mean, median, std), strict=True))
    gist = f"{note}; from {about.format(values.min())} to {about.format(values.max())} over {count} images"
    chart = Chart(
        title,
        gist,
        Axis(about.heading, span=span),
        Axis("images", whole=True),
        edges=edges.tolist(),
        heights=counts.tolist(),
        shade=(mean - std, mean + std),
        marks=(Mark(mean, "mean"), Mark(median, "median")),
    )
    return Panel(name, chart, note)


_PARTS = ("mean", "median", "std")


def bins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts ``(bins,)`` and edges ``(bins + 1,)``; a single bin of some width where all values agree."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(1.0, abs(high)):
        half = 0.02 * max(abs(low), 1e-3)
        return np.array([values.size]), np.array([low - half, low + half])
    return np.histogram(values, bins=int(np.clip(2 * np.cbrt(values.size), 5, 40)), range=(low, high))


# Text colours have a contrast of 4.5 and more against ``paper`` and ``surface``, marks of 3 and more (WCAG 2.2, AA);
# a test computes them. The hues of s1 to s7 follow Okabe and Ito 2008, darkened or lightened to reach that.
LIGHT = {
    "paper": "#ffffff",
    "surface": "#f5f6f8",
    "ink": "#1b2026",
    "quiet": "#57606a",
    "rule": "#d9dee3",
    "grid": "#e9ecef",
    "link": "#005a8f",
    "focus": "#0a6cc4",
    "unranked": "#7b838c",
    "s1": "#0072b2",
    "s2": "#c95300",
    "s3": "#00845f",
    "s4": "#b4508a",
    "s5": "#8a6a00",
    "s6": "#5a4fcf",
    "s7": "#3b4149",
    "shade1": "#f3f7fb",
    "shade2": "#dcebf6",
    "shade3": "#c3dcf0",
    "shade4": "#a7cde9",
    "shade5": "#8bbde2",
}
DARK = {
    "paper": "#14181d",
    "surface": "#1c2228",
    "ink": "#e8ebee",
    "quiet": "#a3adb8",
    "rule": "#343c45",
    "grid": "#272e35",
    "link": "#7cc0f0",
    "focus": "#8ccbff",
    "unranked": "#8b959f",
    "s1": "#58aeea",
    "s2": "#f28a4b",
    "s3": "#2dbd90",
    "s4": "#e591c1",
    "s5": "#e2c15c",
    "s6": "#a79df5",
    "s7": "#d3d8dd",
    "shade1": "#18222b",
    "shade2": "#1b2f3e",
    "shade3": "#1f3d53",
    "shade4": "#234b68",
    "shade5": "#285a7e",
}
TEXT = ("ink", "quiet", "link")
MARKS = ("unranked", "focus", *(f"s{number}" for number in range(1, 8)))
SHADES = tuple(f"shade{number}" for number in range(1, 6))
LOOKS = 7


def theme_css() -> str:
    """Return the custom properties: light; dark where the system or the reader asks for it; light on paper."""
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in colours.items()) + f"color-scheme:{scheme};"
        for scheme, colours in (("light", LIGHT), ("dark", DARK))
    )
    return (
        f":root{{{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f":root[data-theme=dark]{{{dark}}}\n"
        f"@media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{{light}}}}}\n"
    )
