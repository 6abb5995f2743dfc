"""A table before it is anything that can be printed."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Cell:
    """``text`` as printed and ``detail`` after it, such as an interval; ``value`` is what rows are sorted by."""

    text: str
    value: float | str | None = None
    detail: str = ""

    @property
    def whole(self) -> str:
        """Text and detail on one line."""
        return f"{self.text} {self.detail}".strip()


@dataclass(frozen=True)
class Column:
    """A heading, and whether numbers stand beneath it."""

    heading: str
    numeric: bool = True


@dataclass(frozen=True)
class Grid:
    """``rows`` have one cell per column; the first column names the row."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
