"""Tables: described once, and written for a terminal, as Markdown, LaTeX and CSV; ``html`` puts them on the page."""

import csv
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, ClassVar

WIDE = 110  # columns of a terminal from which every quantity has a column of its own


@dataclass(frozen=True)
class Cell:
    """``text``, after it ``spread`` and beneath ``interval``; ``value`` is what rows are sorted by.

    ``name`` is how it is written in the row's name, if otherwise. ``style`` is rich's, ``shade`` 1 to 5 of the theme.
    """

    text: str
    value: float | str | None = None
    spread: str = ""
    interval: str = ""
    name: str | None = None
    style: str = ""
    shade: int = 0

    @property
    def detail(self) -> str:
        """Spread and interval on one line."""
        return f"{self.spread} {self.interval}".strip().replace("\n", " ")

    @property
    def whole(self) -> str:
        """All of it on one line."""
        return f"{self.text} {self.detail}".strip()


MISSING = Cell("–", style="dim")


@dataclass(frozen=True)
class Column:
    """A heading, and what becomes of the column where there is little room.

    ``numeric`` ones stand to the right; ``wrap`` ones may break lines. Columns with ``label`` name the row together, in
    one column everywhere but on a wide terminal; those that say the same of all rows are left out of the name. On a
    terminal, columns of one ``group`` are lines of one cell; a column with a ``line`` moves, ``brief``, into that line
    of the first column where the terminal is narrow, and ``wide`` ones are left out there. A value of a column written
    ``once`` is not repeated in the rows that follow.
    """

    heading: str
    numeric: bool = True
    wrap: bool = False
    label: bool = False
    group: str = ""
    line: int | None = None
    brief: str = "{}"
    wide: bool = False
    once: bool = False


Rows = Sequence[Sequence[Cell]]


@dataclass(frozen=True)
class Table:
    """``rows`` have one cell per column; the first column names the row. ``csv`` is what is copied instead of it.

    rich prints it as wide as the console; ``ident`` is its anchor on the page.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: Sequence[Column]
    rows: Rows
    title: str = ""
    ident: str = ""
    csv: str = ""

    def named(self) -> "Table":
        """Return the table with one column for the row's name, and groups written out in the headings."""
        labels = [place for place, column in enumerate(self.columns) if column.label]
        telling = [place for place in labels if len({row[place].text for row in self.rows}) > 1] or labels
        others = [place for place in range(len(self.columns)) if place not in labels]
        columns = [self.columns[place] for place in others]
        columns = [replace(one, heading=f"{one.heading}, {one.group}") if one.group else one for one in columns]
        rows = [[row[place] for place in others] for row in self.rows]
        if labels:
            columns.insert(0, Column(", ".join(self.columns[place].heading for place in telling), False))
            for number, (row, cells) in enumerate(zip(self.rows, rows, strict=True)):
                parts = [row[place].text if row[place].name is None else row[place].name for place in telling]
                # The last of several, how images were decoded, stands beneath where there is room.
                last = parts.pop() if len(parts) > 1 else ""
                cells.insert(0, Cell(", ".join(filter(None, parts)), number, interval=f"({last})" if last else ""))
        return replace(self, columns=columns, rows=rows)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        """Print the table as wide as the console."""
        yield on_terminal(self, options.max_width)


# === For a terminal ===


def plain_table(title: str) -> Any:
    """Return an empty rich table in the common style: one line under the headings, title and caption to the left."""
    from rich import box
    from rich.table import Table as Printed
    from rich.text import Text

    return Printed(
        title=Text(title, style="bold"),
        title_justify="left",
        caption_style="dim",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def on_terminal(table: Table, width: int) -> Any:
    """Return ``table`` as a rich table that fits ``width`` columns."""
    wide = width >= WIDE
    grouped = any(column.group for column in table.columns)
    shown = [column for column in table.columns if wide or not column.wide]
    rows = [[cell for cell, column in zip(row, table.columns, strict=True) if column in shown] for row in table.rows]
    folded = [column for column in shown if column.line is not None and (grouped or not wide)]
    printed = plain_table(table.title)
    printed.caption = table.caption
    columns: list[Column] = []
    if folded:
        columns.append(Column(folded[0].heading, False, wrap=True, once=folded[0].once))
    kept = [column for column in shown if column not in folded]
    groups = [(key, list(part)) for key, part in groupby(kept, key=lambda column: column.group)]
    many = sum(1 for key, _ in groups if key)
    layout = (width >= max(WIDE, 44 + 17 * many), width < 34 + 13 * many) if grouped else (True, False)
    lines = None
    for key, part in groups:
        if key and lines is None:
            lines = part
            columns.append(Column("", False))
        columns += [Column(key)] if key else part
    cells = []
    for row in rows:
        pairs = list(zip(shown, row, strict=True))
        written = [_folded([pair for pair in pairs if pair[0] in folded])] if folded else []
        rest = [pair for pair in pairs if pair[0] not in folded]
        for key, part in groupby(rest, key=lambda pair: pair[0].group):
            stack = [cell for _, cell in part]
            if key and len(written) == bool(folded):
                written.append(_line_names(lines, rest, layout))
            written += [_stacked(stack, layout)] if key else [_written(cell, wide) for cell in stack]
        cells.append(written)
    _fill(printed, columns, cells, wide)
    return printed


def _fill(printed: Any, columns: list[Column], rows: list[list[Any]], wide: bool) -> None:
    for place, column in enumerate(columns):
        longest = max((len(line) for row in rows for line in row[place].plain.split("\n")), default=0)
        # As narrow as the numbers beneath: no word of a heading is broken.
        words = column.heading.split()
        heading = textwrap.fill(column.heading, max([longest, *map(len, words)])) if words else ""
        printed.add_column(
            heading,
            justify="right" if column.numeric else "left",
            no_wrap=not column.wrap or (wide and column.numeric),
            overflow="fold",
        )
    before = None
    for row in rows:
        once = [cell.plain for column, cell in zip(columns, row, strict=True) if column.once]
        if once and before not in (None, once):
            printed.add_section()
        cells = ["" if column.once and once == before else cell for column, cell in zip(columns, row, strict=True)]
        printed.add_row(*cells)
        before = once


def _written(cell: Cell, wide: bool) -> Any:
    from rich.text import Text

    text = Text(cell.text, style=cell.style or ("bold" if cell.interval else ""))
    text.append(f" {cell.spread}" if cell.spread else "", style="not bold")
    interval = cell.interval.replace("\n", " ") if wide else cell.interval
    return text.append(f"\n{interval}" if interval else "", style="not bold dim")


def _folded(pairs: Sequence[tuple[Column, Cell]]) -> Any:
    from rich.text import Text

    lines: dict[int, list[str]] = {}
    for column, cell in pairs:
        if cell.text not in ("", MISSING.text):
            lines.setdefault(column.line, []).append(column.brief.format(cell.text))
    first, *rest = (", ".join(lines[line]) for line in sorted(lines))
    return Text(first, style=pairs[0][1].style).append("".join(f"\n{line}" for line in rest), style="not bold dim")


def _stacked(cells: Sequence[Cell], layout: tuple[bool, bool]) -> Any:
    """Return cells beneath each other; spread and interval of the first, as there is room."""
    from rich.text import Text

    intervals, stacked = layout
    text = Text(justify="right")
    for place, cell in enumerate(cells):
        text.append("\n" * bool(place) + cell.text, style=cell.style or ("dim" if place else ""))
        if not place:
            text.append(f"{chr(10) if stacked else ' '}{cell.spread}" if cell.spread else "")
            text.append(f"\n{cell.interval}" if cell.interval and intervals else "", style="dim")
    return text


def _line_names(lines: Sequence[Column], row: Sequence[tuple[Column, Cell]], layout: tuple[bool, bool]) -> Any:
    """Return what stands in each line of the stacked cells of ``row``."""
    from rich.text import Text

    intervals, stacked = layout
    first = [cell for column, cell in row if column.group and column.heading == lines[0].heading]
    more = ["± std"] * (stacked and any(cell.spread for cell in first))
    more += ["95 %"] * (intervals and any(cell.interval for cell in first))
    return Text("\n".join([lines[0].heading, *more, *(column.heading for column in lines[1:])]), style="dim")


# === As text ===


def as_markdown(table: Table) -> str:
    """Return a pipe table, numbers to the right."""
    table = table.named()
    head = [markdown_escaped(column.heading) for column in table.columns]
    rule = ["---:" if column.numeric else "---" for column in table.columns]
    rows = [[markdown_escaped(cell.whole) for cell in row] for row in table.rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, rule, *rows])


def as_latex(table: Table) -> str:
    """Return a ``table`` with a ``tabular`` in the style of the booktabs package."""
    table = table.named()
    head = " & ".join(latex_escaped(column.heading) for column in table.columns)
    rows = [" & ".join(latex_escaped(cell.whole) for cell in row) for row in table.rows]
    lines = [
        "% needs \\usepackage{booktabs}",
        "\\begin{table}",
        f"  \\caption{{{latex_escaped(table.caption)}}}",
        f"  \\begin{{tabular}}{{{''.join('r' if column.numeric else 'l' for column in table.columns)}}}",
        "    \\toprule",
        f"    {head} \\\\",
        "    \\midrule",
        *(f"    {row} \\\\" for row in rows),
        "    \\bottomrule",
        "  \\end{tabular}",
        "\\end{table}",
    ]
    return "\n".join(lines) + "\n"


def as_csv(table: Table) -> str:
    """Return comma-separated lines, a detail in the same field as its number; ``table.csv`` where there is one."""
    named = table.named()
    rows = [[column.heading for column in named.columns], *([cell.whole for cell in row] for row in named.rows)]
    return table.csv or csv_of(rows)


# One character after another, so that nothing is escaped twice.
_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
        "|": r"\textbar{}", '"': r"\textquotedbl{}", "\n": " ", "\r": " ", "−": "$-$", "±": r"$\pm$", "×": r"$\times$",
        "σ": r"$\sigma$", "≤": r"$\leq$", "≥": r"$\geq$", "→": r"$\rightarrow$", "·": r"$\cdot$",
        # Between brackets or at the head of a row a bracket would be taken for an option of \\ or \midrule.
        "[": "{[}", "]": "{]}",
    }
)  # fmt: skip


# What Markdown would take for markup; the rest of a cell is plain.
_MARKDOWN = str.maketrans(
    {character: f"\\{character}" for character in "\\|*_`[]#~"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;", "\n": " "}
)


def latex_escaped(text: str) -> str:
    """Return ``text`` so that LaTeX prints it as it is."""
    return text.translate(_LATEX)


def markdown_escaped(text: str) -> str:
    """Return ``text`` so that Markdown prints it as it is, on one line."""
    return text.replace("\r", "").translate(_MARKDOWN)


def csv_of(rows: list[list[object]]) -> str:
    """Return rows as CSV with plain line ends; an apostrophe goes before what a spreadsheet would run as a formula."""
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows([[_harmless(field) for field in row] for row in rows])
    return file.getvalue()


def _harmless(field):
    if not isinstance(field, str) or field[:1] not in ("=", "+", "-", "@", "\t", "\r"):
        return field
    try:
        float(field)
    except ValueError:
        return f"'{field}"
    return field
