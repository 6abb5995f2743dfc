"""A report's main table as text."""

from typing import Literal, get_args

from kerasae.errors import ReportError
from kerasae.records import ReportContent
from kerasae.reports.text.answer import answer
from kerasae.reports.text.main_grid import main_grid
from kerasae.reports.text.tidy_csv import tidy_csv
from kerasae.reports.text.written import as_latex, as_markdown, markdown_escaped

TextFormat = Literal["markdown", "latex", "csv"]


def report_text(content: ReportContent, format: TextFormat) -> str:
    """Return the main table of ``content``.

    ``markdown`` has the answer before it and a sentence per comparison after it; ``latex`` is a booktabs table; ``csv``
    has every score in all digits, a line per cell (or run), sigma and metric. Raises ``ReportError`` on another format.
    """
    if format == "csv":
        return tidy_csv(content)
    if format == "latex":
        return as_latex(main_grid(content))
    if format == "markdown":
        return _markdown(content)
    raise ReportError(f"no report format is called {format!r}; choose one of {', '.join(get_args(TextFormat))}")


def _markdown(content: ReportContent) -> str:
    grid = main_grid(content)
    parts = [f"# {markdown_escaped(content.title)}\n"]
    if content.study:
        parts.append(f"{markdown_escaped(content.study.question)}\n")
    parts += ["\n".join(markdown_escaped(sentence) for sentence in answer(content)) + "\n"]
    parts += [as_markdown(grid), f"{markdown_escaped(grid.caption)}\n"]
    comparisons = content.study.comparisons if content.study else ()
    if comparisons:
        parts.append("## Comparisons\n")
        parts.append("".join(f"- {markdown_escaped(comparison.sentence)}\n" for comparison in comparisons))
    parts.append(f"Made with `{content.command.replace('`', '')}`\n")
    return "\n".join(parts)
