"""Tables before they are anything that can be printed, and as Markdown, LaTeX and CSV."""

import csv
import io
from dataclasses import dataclass
from typing import Literal, get_args

from kerasae.errors import ReportError
from kerasae.records import (
    CellScore,
    ReportContent,
    Score,
    SeedSummary,
    Summary,
)
from kerasae.reports.wording import DECODINGS, answer, at_sigma, chosen_sigmas, in_order, is_reference, written


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


_SHORT = {"psnr": "PSNR, dB", "ssim": "SSIM"}


def main_grid(content: ReportContent) -> Grid:
    """Return one row per cell of a study at the sigmas that matter most, or one row per score of a run."""
    return _study_grid(content) if content.study else _run_grid(content)


def measured(metric: str, summary: SeedSummary | Summary) -> Cell:
    """Return the mean with its 95 % interval, to be sorted by the mean."""
    low, high = written(metric, summary.low), written(metric, summary.high)
    return Cell(written(metric, summary.mean), summary.mean, f"[{low}, {high}]")


def _study_grid(content: ReportContent) -> Grid:
    study = content.study
    sigmas = chosen_sigmas(content)
    columns = [Column(", ".join(study.axes), False)]
    for sigma in sigmas:
        for name in _SHORT.values():
            columns.append(Column(f"{name}, {at_sigma(sigma)}"))
    columns.append(Column("seeds"))
    found: dict[tuple, dict[float, CellScore]] = {}
    for score in (*study.scores, *study.do_nothing):
        key = (score.label, score.decoded_from) if not is_reference(score) else ("do nothing", "input")
        found.setdefault(key, {})[score.sigma] = score
    rows = []
    for place, ((label, decoded_from), scores) in enumerate(found.items()):
        shown = [scores.get(sigma) for sigma in sigmas]
        if not any(shown):
            continue
        seeds = "" if decoded_from == "input" else str(max(score.seeds for score in shown if score))
        name = Cell(label, place, f"({DECODINGS[decoded_from]})" if decoded_from in DECODINGS else "")
        last = Cell(seeds, float(seeds) if seeds else None)
        rows.append((name, *(cell for score in shown for cell in _pair(score)), last))
    images = max((score.images for score in study.scores), default=0)
    caption = (
        f"Mean over seeds and {images:,} {study.split} images of {study.data}, [95 % interval that counts both]; "
        "± the standard deviation of the seeds’ means. Higher is better. “Do nothing” is the noisy image itself."
    )
    return Grid(caption, tuple(columns), tuple(rows))


def _pair(score: CellScore | None) -> list[Cell]:
    if score is None or score.mse.mean == 0:  # the clean image against itself says nothing
        return [Cell("–")] * len(_SHORT)
    return [_over_seeds(metric, getattr(score, metric)) for metric in _SHORT]


def _over_seeds(metric: str, summary: SeedSummary) -> Cell:
    cell = measured(metric, summary)
    if summary.std_over_seeds is None:
        return cell
    return Cell(cell.text, cell.value, f"± {written(metric, summary.std_over_seeds)} {cell.detail}")


def _run_grid(content: ReportContent) -> Grid:
    scores = [score for run in content.runs for score in run.scores]
    scores += [score for score in content.do_nothing if score not in scores]
    scores = [score for score in scores if not (is_reference(score) and score.mse.mean == 0)]
    splits, runs = in_order(score.split for score in scores), in_order(run.record.name for run in content.runs)
    # By noise, so that what is to be compared stands together: the ways of decoding, and doing nothing last.
    scores.sort(key=lambda score: (splits.index(score.split), score.sigma, is_reference(score)))
    several = (len(splits) > 1, len(runs) > 1)
    with_kl = any(score.kl_nats is not None for score in scores)
    with_bits = any(score.bits_per_pixel is not None for score in scores)
    columns = [Column("noise", False), Column("PSNR, dB"), Column("SSIM"), Column("MSE")]
    columns += [Column("PSNR of mean MSE, dB")] + [Column("bits per pixel, estimated")] * with_bits
    columns += [Column("KL, nats"), Column("active units")] * with_kl
    columns.append(Column("images"))
    rows = [_score_row(score, several, (with_bits, with_kl), place) for place, score in enumerate(scores)]
    data = scores[0].data if scores else "no images"
    caption = (
        f"Mean over the {', '.join(splits)} images of {data}, ± their standard deviation, "
        "[95 % bootstrap interval of the mean]. “Do nothing” is the noisy image itself."
    )
    return Grid(caption, tuple(columns), tuple(rows))


def _score_row(score: Score, several: tuple[bool, bool], shown: tuple[bool, bool], place: int) -> tuple[Cell, ...]:
    nothing = is_reference(score)
    parts = [score.run] * (several[1] and not nothing) + [score.split] * several[0]
    parts += [at_sigma(score.sigma), *["do nothing"] * nothing]
    decoding = f"({DECODINGS[score.decoded_from]})" if score.decoded_from in DECODINGS else ""
    cells = [
        Cell(", ".join(parts), place, decoding),
        *(_over_images(metric, getattr(score, metric)) for metric in ("psnr", "ssim", "mse")),
        Cell(written("psnr", score.psnr_of_mean_mse), score.psnr_of_mean_mse),
    ]
    with_bits, with_kl = shown
    if with_bits:
        bits = score.bits_per_pixel
        cells.append(Cell("–" if bits is None else f"{bits:.3f}", bits))
    if with_kl:
        cells.append(Cell("–" if score.kl_nats is None else f"{score.kl_nats:.1f}", score.kl_nats))
        cells.append(Cell("–" if score.active_units is None else str(score.active_units), score.active_units))
    return (*cells, Cell(f"{score.count:,}", score.count))


def _over_images(metric: str, summary: Summary) -> Cell:
    cell = measured(metric, summary)
    return Cell(cell.text, cell.value, f"± {written(metric, summary.std)} {cell.detail}")


_METRICS = ("psnr", "ssim", "mse")
_RUN = ("run", "data", "split", "sigma", "decoded_from", "images", "metric", "mean", "std_over_images", "low", "high",
        "psnr_of_mean_mse", "kl_nats", "active_units", "bits_per_pixel")  # fmt: skip
_STUDY = ("sigma", "decoded_from", "seeds", "images", "metric", "mean", "std_over_seeds", "std_over_images", "low",
          "high", "per_seed", "psnr_of_mean_mse")  # fmt: skip


def tidy_csv(content: ReportContent) -> str:
    """Return one line per cell, sigma and metric of a study, or per score and metric of runs, with all digits.

    The seeds' means stand in one field, ``;`` between them. An empty field does not apply.
    """
    if content.study:
        axes = list(content.study.axes)
        head = ["cell", *axes, *_STUDY]
        rows = [_cell_line(score, axes, metric) for score in _cell_scores(content) for metric in _METRICS]
    else:
        head = list(_RUN)
        scores = [*(score for run in content.runs for score in run.scores), *content.do_nothing]
        rows = [_score_line(score, metric) for score in scores for metric in _METRICS]
    return lines_of([head, *rows])


def _cell_scores(content):
    return [*content.study.scores, *content.study.do_nothing]


def _number(value):
    return "" if value is None else repr(float(value))


def _cell_line(score: CellScore, axes: list[str], metric: str) -> list[object]:
    summary = getattr(score, metric)
    nothing = score.decoded_from == "input"
    return [
        "do nothing" if nothing else score.label,
        *("" if nothing else score.levels.get(axis, "") for axis in axes),
        _number(score.sigma),
        score.decoded_from,
        score.seeds,
        score.images,
        metric,
        *(_number(getattr(summary, key)) for key in ("mean", "std_over_seeds", "std_over_images", "low", "high")),
        ";".join(_number(value) for value in summary.per_seed),
        _number(score.psnr_of_mean_mse),
    ]


def _score_line(score: Score, metric: str) -> list[object]:
    summary = getattr(score, metric)
    return [
        score.run,
        score.data,
        score.split,
        _number(score.sigma),
        score.decoded_from,
        score.count,
        metric,
        *(_number(getattr(summary, key)) for key in ("mean", "std", "low", "high")),
        _number(score.psnr_of_mean_mse),
        _number(score.kl_nats),
        "" if score.active_units is None else score.active_units,
        _number(score.bits_per_pixel),
    ]


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
