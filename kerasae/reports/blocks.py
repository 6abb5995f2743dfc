"""What a section of the page is made of, beside tables (``tables.Table``) and figures (``charts.Figure``)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from markupsafe import Markup


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
class Pictures:
    """``rows`` hold (title, words, pictures); ``pixels`` shows each pixel."""

    kind: ClassVar[str] = "pictures"
    ident: str
    caption: str
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
    """A part of the page under the heading ``title``, in the contents under ``short`` if that is another.

    ``blocks`` makes what is in it from the content of the report: nothing where there is nothing to show. Where it has
    ``pictures`` it also gets the album that hands them out, and what room the other sections leave.
    """

    title: str
    blocks: Callable[..., Sequence[Any]]
    short: str = ""
    pictures: bool = False
