"""Tables, written for a terminal, as Markdown, LaTeX, CSV and on the page, and what else a section of it is made of."""

import csv
import io
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from markupsafe import Markup

from kerasae.errors import printable

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

    def __post_init__(self):
        # Names of files and of runs: some come out of archives that anybody may have written.
        object.__setattr__(self, "text", printable(self.text))

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
    one column everywhere but on a wide terminal; those that say the same of all rows are left out of the name.

    On a terminal, columns of one ``group`` are lines of one cell, each named ``brief``. Where it is narrow, ``wide``
    columns are left out, and those with a ``line`` move into that line of the first column, written as ``brief`` says.
    A value of a column written ``once`` is not repeated in the rows that follow.
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


Field = tuple[Column, Callable[[Any], Cell]]


def table_of(
    items: Sequence[Any],
    fields: Sequence[Field],
    caption: str = "",
    *,
    title: str = "",
    ident: str = "",
    bold: Callable[[Any], Any] = lambda item: False,
) -> Table:
    """Return a row for each of ``items``, by fields: a column and what makes its cell; ``bold`` ones stand out."""
    rows = [[cell(item) for _, cell in fields] for item in items]
    for place, item in enumerate(items):
        if bold(item):
            rows[place] = [replace(cell, style="bold") for cell in rows[place]]
    return Table(caption, [column for column, _ in fields], rows, title, ident)


def number(value: float | None, form: str) -> Cell:
    """Return ``value`` as ``form`` writes it, with a typographic minus, or a dash where there is none."""
    return MISSING if value is None else Cell(format(value, form).replace("-", "−"), value)


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
    wide, many = width >= WIDE, len({column.group for column in table.columns} - {""})
    # Of stacked cells: whether intervals have room, and whether deviations need a line of their own.
    layout = (width >= max(WIDE, 44 + 17 * many), width < 34 + 13 * many)
    shown = [place for place, column in enumerate(table.columns) if wide or not column.wide]
    folded = [place for place in shown if table.columns[place].line is not None and (many or not wide)]
    columns: list[tuple[Column, list[Any]]] = []
    if folded:
        first = replace(table.columns[folded[0]], wrap=True)
        columns.append(
            (first, [_folded([(table.columns[place], row[place]) for place in folded]) for row in table.rows])
        )
    kept = [place for place in shown if place not in folded]
    for group, members in groupby(kept, key=lambda place: table.columns[place].group):
        places = list(members)
        if group:
            stacks = [[row[place] for place in places] for row in table.rows]
            if len(columns) == bool(folded):
                names = [table.columns[place].brief for place in places]
                whole = [[cell for place, cell in enumerate(row) if table.columns[place].group] for row in table.rows]
                columns.append((Column("", False), [_line_names(names, row, layout) for row in whole]))
            columns.append((Column(group), [_stacked(stack, layout) for stack in stacks]))
        else:
            columns += [(table.columns[place], [_written(row[place], wide) for row in table.rows]) for place in places]
    return _printed(table, columns, wide)


def _printed(table: Table, columns: Sequence[tuple[Column, list[Any]]], wide: bool) -> Any:
    printed = plain_table(table.title)
    printed.caption = table.caption
    for column, cells in columns:
        heading, justify = column.heading, "left"
        if column.numeric:  # about as narrow as the numbers beneath
            longest = max((len(line) for cell in cells for line in cell.plain.split("\n")), default=0)
            heading = textwrap.fill(heading, max(longest, 8), break_long_words=False, break_on_hyphens=False)
            justify = "right"
        no_wrap = not column.wrap or (wide and column.numeric)
        printed.add_column(heading, justify=justify, no_wrap=no_wrap, overflow="fold")
    before = None
    for row in zip(*(cells for _, cells in columns), strict=True):
        once = [cell.plain for (column, _), cell in zip(columns, row, strict=True) if column.once]
        if once and before not in (None, once):
            printed.add_section()
        again = once == before
        printed.add_row(
            *("" if column.once and again else cell for (column, _), cell in zip(columns, row, strict=True))
        )
        before = once
    return printed


def _written(cell: Cell, wide: bool) -> Any:
    from rich.text import Text

    text = Text(cell.text, style=cell.style or ("bold" if cell.interval else ""))
    text.append(f" {cell.spread}" if cell.spread else "", style="not bold")
    interval = cell.interval.replace("\n", " ") if wide else cell.interval
    return text.append(f"\n{interval}" if interval else "", style="not bold dim")


def _folded(pairs: Sequence[tuple[Column, Cell]]) -> Any:
    """Return cells of several columns beneath each other."""
    from rich.text import Text

    lines: dict[int | None, list[str]] = {}
    for column, cell in pairs:
        if cell.text not in ("", MISSING.text):
            lines.setdefault(column.line, []).append(column.brief.format(cell.text))
    first, *rest = (", ".join(lines[line]) for line in sorted(lines))
    return Text(first, style=pairs[0][1].style).append("".join(f"\n{line}" for line in rest), style="not bold dim")


def _stacked(cells: Sequence[Cell], layout: tuple[bool, bool]) -> Any:
    """Return cells beneath each other; spread and interval of the first, as there is room."""
    from rich.text import Text

    (first, *others), (intervals, stacked) = cells, layout
    text = Text(justify="right").append(first.text, style=first.style)
    text.append(f"{chr(10) if stacked else ' '}{first.spread}" if first.spread else "")
    text.append(f"\n{first.interval}" if first.interval and intervals else "", style="dim")
    return text.append("".join(f"\n{cell.text}" for cell in others), style="dim")


def _line_names(names: Sequence[str], row: Sequence[Cell], layout: tuple[bool, bool]) -> Any:
    """Return what stands in each line of the stacked cells of ``row``."""
    from rich.text import Text

    (first, *others), (intervals, stacked) = names, layout
    more = ["± std"] * (stacked and any(cell.spread for cell in row))
    more += ["95 %"] * (intervals and any(cell.interval for cell in row))
    return Text("\n".join([first, *more, *others]), style="dim")


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


# === What else a section of the page is made of ===


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
