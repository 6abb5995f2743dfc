"""What a section of the page is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from kerasae.records import CellScore, ReportContent, RunContent, Score
from kerasae.reports.grids import Grid
from kerasae.reports.wording import DECODINGS, in_order, is_reference

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


@dataclass(frozen=True)
class Paragraph:
    """Plain words; ``quiet`` ones are remarks."""

    kind: ClassVar[str] = "paragraph"
    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Sentences:
    """A list of sentences; ``(finding, text)``, where ``finding`` is a verdict in a word or empty."""

    kind: ClassVar[str] = "sentences"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Panel:
    """One chart of a figure, with its heading."""

    title: str
    chart: Markup
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """Charts that are read together; ``legend`` holds (label, look, thin); ``small`` ones stand closer."""

    kind: ClassVar[str] = "figure"
    ident: str
    caption: str
    panels: Sequence[Panel]
    legend: Sequence[tuple[str, int, bool]] = ()
    small: bool = False


@dataclass(frozen=True)
class Table:
    """A grid. ``exports`` maps formats to what the copy buttons give; ``shades`` gives cells of a matrix 1 to 5."""

    kind: ClassVar[str] = "table"
    ident: str
    grid: Grid
    sortable: bool = True
    exports: Mapping[str, str] = field(default_factory=dict)
    shades: Mapping[tuple[int, int], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Pictures:
    """Rows of pictures under common headings; ``rows`` hold (title, words, pictures). ``pixels`` shows each pixel."""

    kind: ClassVar[str] = "pictures"
    ident: str
    caption: str
    headings: Sequence[str]
    rows: Sequence[tuple[str, str, Sequence[Any]]]
    pixels: bool = False


@dataclass(frozen=True)
class Definitions:
    """Terms and what is to be said of each."""

    kind: ClassVar[str] = "definitions"
    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Text with its line breaks; ``label`` says what it is."""

    kind: ClassVar[str] = "code"
    text: str
    label: str


@dataclass(frozen=True)
class Rich:
    """HTML that was made safe."""

    kind: ClassVar[str] = "rich"
    html: Markup


@dataclass(frozen=True)
class Details:
    """Blocks that show when ``summary`` is opened."""

    kind: ClassVar[str] = "details"
    summary: str
    blocks: Sequence[Any]
    open: bool = False


@dataclass(frozen=True)
class Section:
    """A part of the page; ``ident`` is its anchor, ``short`` its entry in the contents."""

    ident: str
    heading: str
    short: str
    blocks: Sequence[Any]


@dataclass(frozen=True)
class Series:
    """One cell of a study (or one run), decoded in one way.

    Lines of the same ``panel`` are drawn together and told apart by ``label`` and ``look``; ``cell`` names the line
    where it stands alone. ``scores`` are in the order of sigma. Past the last look they begin again, ``thin``.
    """

    panel: str
    label: str
    look: int
    cell: str
    decoded_from: str
    scores: tuple[Score | CellScore, ...]
    runs: tuple[RunContent, ...]
    thin: bool = False


def series_of(content: ReportContent) -> list[Series]:
    """Return every line of the report; the levels that a study compares share a panel."""
    return _of_study(content) if content.study else _of_runs(content)


def panels_of(series: list[Series]) -> dict[str, list[Series]]:
    """Return the lines by panel, in order."""
    return {panel: [one for one in series if one.panel == panel] for panel in in_order(one.panel for one in series)}


def legend_of(series: list[Series]) -> list[tuple[str, int, bool]]:
    """Return (label, look, thin) once for each."""
    return in_order((one.label, one.look, one.thin) for one in series)


def one_per_cell(series: list[Series]) -> list[Series]:
    """Return the first way of decoding of each cell."""
    first: dict[str, Series] = {}
    for one in series:
        first.setdefault(one.cell, one)
    return list(first.values())


def _by_sigma(scores):
    return tuple(sorted(scores, key=lambda score: score.sigma))


def _of_study(content: ReportContent) -> list[Series]:
    study = content.study
    runs = {run.record.name: run for run in content.runs}
    along = study.comparisons_along if study.comparisons_along in study.axes else list(study.axes)[-1]
    found = []
    for cell in study.cells:
        own = [score for score in study.scores if score.levels == cell.levels]
        for decoded_from in in_order(score.decoded_from for score in own):
            where = [level for axis, level in cell.levels.items() if axis != along]
            panel = ", ".join(part for part in (*where, DECODINGS.get(decoded_from, "")) if part)
            place = study.axes[along].index(cell.levels[along])
            scores = _by_sigma(score for score in own if score.decoded_from == decoded_from)
            runs_of_cell = tuple(runs[name] for name in cell.runs if name in runs)
            look = place % LOOKS + 1
            thin = place >= LOOKS
            label = cell.levels[along]
            found.append(Series(panel, label, look, cell.label, decoded_from, scores, runs_of_cell, thin))
    return found


def _of_runs(content: ReportContent) -> list[Series]:
    found = []
    for run in content.runs:
        scores = [score for score in run.scores if not is_reference(score)]
        splits = in_order(score.split for score in scores)
        split = "test" if "test" in splits else next(iter(splits), "")
        own = [score for score in scores if score.split == split]
        # A run that was not scored still has a training to show.
        for decoded_from in in_order(score.decoded_from for score in own) or [""]:
            name = run.record.name if len(content.runs) > 1 else ""
            label = ", ".join(part for part in (name, DECODINGS.get(decoded_from, "")) if part) or run.record.name
            chosen = _by_sigma(score for score in own if score.decoded_from == decoded_from)
            look = len(found) % LOOKS + 1
            found.append(Series("", label, look, run.record.name, decoded_from, chosen, (run,)))
    return found
