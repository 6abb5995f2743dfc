"""What a section is made of. ``kind`` names the macro of the template that prints it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from markupsafe import Markup

from kerasae.reports.text.grid import Grid


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
