"""A grid as Markdown, LaTeX or CSV."""

import csv
import io

from kerasae.reports.text.grid import Grid

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


def as_markdown(grid: Grid) -> str:
    """Return a pipe table, numbers to the right."""
    head = [markdown_escaped(column.heading) for column in grid.columns]
    rule = ["---:" if column.numeric else "---" for column in grid.columns]
    rows = [[markdown_escaped(cell.whole) for cell in row] for row in grid.rows]
    return "".join("| " + " | ".join(row) + " |\n" for row in [head, rule, *rows])


def as_latex(grid: Grid) -> str:
    """Return a ``table`` with a ``tabular`` in the style of the booktabs package."""
    columns = "".join("r" if column.numeric else "l" for column in grid.columns)
    head = " & ".join(latex_escaped(column.heading) for column in grid.columns)
    rows = [" & ".join(latex_escaped(cell.whole) for cell in row) for row in grid.rows]
    return "\n".join(
        [
            "% needs \\usepackage{booktabs}",
            "\\begin{table}",
            f"  \\caption{{{latex_escaped(grid.caption)}}}",
            f"  \\begin{{tabular}}{{{columns}}}",
            "    \\toprule",
            f"    {head} \\\\",
            "    \\midrule",
            *(f"    {row} \\\\" for row in rows),
            "    \\bottomrule",
            "  \\end{tabular}",
            "\\end{table}",
            "",
        ]
    )


def as_csv(grid: Grid) -> str:
    """Return comma-separated lines, a detail in the same field as its number."""
    return lines_of([[column.heading for column in grid.columns], *([cell.whole for cell in row] for row in grid.rows)])


def lines_of(rows: list[list[object]]) -> str:
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
