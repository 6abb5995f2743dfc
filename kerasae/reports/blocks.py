"""What a section of the page is made of, beside tables (``tables.Table``) and figures (``charts.Figure``)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup


@dataclass(frozen=True)
class Paragraph:
    """Plain words; ``quiet`` ones are remarks."""

    text: str
    quiet: bool = False


@dataclass(frozen=True)
class Sentences:
    """A list of sentences; ``(finding, text)``, where ``finding`` is a verdict in a word or empty."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Pictures:
    """``rows`` hold (title, words, pictures); ``pixels`` shows each pixel."""

    ident: str
    caption: str
    rows: Sequence[tuple[str, str, Sequence[Any]]]
    pixels: bool = False


@dataclass(frozen=True)
class Definitions:
    """Terms and what is to be said of each."""

    items: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Code:
    """Text with its line breaks; ``label`` says what it is."""

    text: str
    label: str


@dataclass(frozen=True)
class Rich:
    """HTML that was made safe."""

    html: Markup


@dataclass(frozen=True)
class Details:
    """Blocks that show when ``summary`` is opened."""

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
