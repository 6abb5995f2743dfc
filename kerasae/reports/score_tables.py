"""Tables of scores: of runs, over noise, of studies and of what was compared; and the report's main table as text."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Any, Literal, get_args

from kerasae.errors import ReportError
from kerasae.metrics.registry import METRICS, Metric, compared_metrics
from kerasae.records import (
    CellScore,
    ComparedScore,
    Comparison,
    Difference,
    ReportContent,
    RunComparison,
    Score,
    SeedSummary,
    StudyRecord,
    Summary,
)
from kerasae.reports.tables import (
    MISSING,
    Cell,
    Column,
    Field,
    Table,
    as_latex,
    as_markdown,
    csv_of,
    markdown_escaped,
    number,
    table_of,
)
from kerasae.reports.wording import (
    DECODINGS,
    answer,
    at_sigma,
    chosen_sigmas,
    in_order,
    is_exact,
    is_reference,
    measured_metrics,
    metric_named,
    signed,
)

AnyScore = Score | CellScore


def measured(metric: Metric, score: AnyScore | None) -> Cell:
    """Return mean ± standard deviation (over images or seeds) and 95 % interval, to be sorted by the mean."""
    summary = None if score is None or is_exact(score) else score.metrics.get(metric.name)
    if summary is None:
        return MISSING
    std = summary.std_over_seeds if isinstance(summary, SeedSummary) else summary.std
    interval = f"[{metric.format(summary.low)}, {metric.format(summary.high)}]"
    return Cell(metric.format(summary.mean), summary.mean, "" if std is None else f"± {metric.format(std)}", interval)


def _run(score: Score) -> Cell:
    """Return the name of a run; doing nothing is the same for all."""
    return Cell(score.run, name="" if is_reference(score) else None)


def _decoding(score: Score) -> Cell:
    """Return how images were decoded; in names only where a model has several ways."""
    return Cell(score.decoded_from, name="do nothing" if is_reference(score) else DECODINGS.get(score.decoded_from, ""))


def score_table(scores: Sequence[Score], *, title: str = "") -> Table:
    """Return the scores of one or more runs, a row each, in the order given.

    A cell is the mean over images ± their standard deviation and the 95 % bootstrap interval of the mean. Bits, KL
    divergence and active units appear where a score has them.
    """
    metrics = [METRICS[name] for name in measured_metrics(scores)]
    more: list[Field] = [
        (Column("bits per pixel, estimated", line=3, brief="{} bpp"), lambda one: number(one.bits_per_pixel, ".3f")),
        (Column("KL, nats", line=3, brief="KL {}"), lambda score: number(score.kl_nats, ".1f")),
        (Column("active units", line=3, brief="AU {}"), lambda score: number(score.active_units, "")),
    ]
    more = [field for field in more if any(field[1](score) is not MISSING for score in scores)]
    fields: list[Field] = [
        (Column("run", False, wrap=True, label=True, line=0), _run),
        (Column("split", False, label=True, line=1), lambda score: Cell(score.split)),
        (Column("noise", False, label=True, line=2), lambda score: Cell(at_sigma(score.sigma), score.sigma)),
        (Column("decoded from", False, label=True, line=2), _decoding),
        *((Column(metric.heading), lambda score, metric=metric: measured(metric, score)) for metric in metrics),
        (Column(metric_named("psnr_of_mean_mse").heading), lambda score: number(score.psnr_of_mean_mse, ".2f")),
        *more,
        (Column("images", line=1), lambda score: number(score.count, ",")),
    ]
    if len({score.run for score in scores if not is_reference(score)}) < 2:
        del fields[0]
    splits = in_order(score.split for score in scores)
    data = scores[0].data if scores else "no images"
    caption = (
        f"Mean over the {' and '.join(splits)} images of {data}, ± their standard deviation, [95 % bootstrap interval "
        "of the mean]."
    )
    if any(map(is_reference, scores)):
        caption += " “Do nothing” is the noisy image itself."
    if any(score.bits_per_pixel is not None for score in scores):
        caption += " Bits (bpp) as the entropy model estimates them, at the middle quality."
    if any(score.kl_nats is not None for score in scores):
        caption += " KL in nats per image; AU: active units."
    return table_of(scores, fields, caption, title=title)


def compared(scores: Iterable[AnyScore]) -> list[str]:
    """Return the metrics of ``scores`` by which models are compared."""
    return [name for name in measured_metrics(scores) if name in compared_metrics()]


NoiseRow = tuple[str, str, Mapping[float, AnyScore]]  # label, what it was decoded from, scores by sigma


def noise_rows(scores: Iterable[AnyScore]) -> list[NoiseRow]:
    """Return scores by run or cell and way of decoding, doing nothing last: it is the same for all."""
    found: dict[tuple[str, str], dict[float, AnyScore]] = {}
    for score in sorted(scores, key=is_reference):  # a stable sort: only doing nothing moves
        label = "do nothing" if is_reference(score) else score.label if isinstance(score, CellScore) else score.run
        found.setdefault((label, score.decoded_from), {})[score.sigma] = score
    return [(label, way, row) for (label, way), row in found.items()]


def noise_table(
    rows: Sequence[NoiseRow], sigmas: Sequence[float], metrics: Sequence[str], *, spread: bool = True
) -> Table:
    """Return a row for each of ``rows`` and a column for each sigma and metric, means only unless ``spread``."""
    one = len(metrics) == 1
    columns = [Column("noise →", False, wrap=True, label=True, line=0)]
    columns.append(Column("decoded from", False, label=True, line=1))
    for sigma, about in ((sigma, METRICS[metric]) for sigma in sigmas for metric in metrics):
        columns.append(
            Column(at_sigma(sigma)) if one else Column(about.heading, group=at_sigma(sigma), brief=about.label)
        )
    body = []
    for label, way, scores in rows:
        nothing = way == "input"
        how = Cell("the noisy image itself" if nothing else f"from {way}", name=DECODINGS.get(way, ""))
        cells = [Cell(label, style="italic" if nothing else ""), how]
        for sigma in sigmas:
            score = scores.get(sigma)
            for metric in metrics:
                cell = measured(METRICS[metric], score)
                cells.append(cell if spread else Cell(cell.text, cell.value, style=cell.style))
        body.append(cells)
    return Table("", columns, body)


def sweep_table(scores: Sequence[Score], *, title: str = "Noise sweep") -> Table:
    """Return one row per run and way of decoding, one column per sigma; the do-nothing row comes last.

    The best of each column in the first metric is bold; where that is the do-nothing row, decoding the image only
    harmed it.
    """
    sigmas, metrics = sorted({score.sigma for score in scores}), compared(scores)
    table = noise_table(noise_rows(scores), sigmas, metrics, spread=False)
    first, best = METRICS[metrics[0]], max if METRICS[metrics[0]].higher_is_better else min
    rows = [list(row) for row in table.rows]
    for place in range(2, len(table.columns), len(metrics)):
        values = [row[place].value for row in rows if row[place].value is not None]
        for row in rows:
            if values and row[place].value == best(values):
                row[place] = replace(row[place], style="bold")
    headings = "; ".join(METRICS[name].heading for name in metrics)
    caption = f"{headings}: means over images, against the clean image; bold: the best {first.label} of a column"
    return replace(table, rows=rows, title=title, caption=caption)


def study_table(record: StudyRecord, *, sigmas: Sequence[float] | None = None) -> Table:
    """Return the metrics of every cell of a study at ``sigmas`` (all if None), with spread over seeds and interval."""
    scores = [*record.scores, *record.do_nothing]
    sigmas = record.sigmas if sigmas is None else sigmas
    metrics = compared(record.scores)
    rows = [row for row in noise_rows(scores) if set(row[2]) & set(sigmas)]
    table = noise_table(rows, sigmas, metrics)
    seeds = [max(score.seeds for score in row.values()) for _, _, row in rows]
    cells = [Cell("") if way == "input" else Cell(str(n), n) for n, (_, way, _) in zip(seeds, rows, strict=True)]
    images = max((score.images for score in record.scores), default=0)
    caption = (
        f"Mean over seeds and {images:,} {record.split} images of {record.data}, [95 % interval that counts both]; "
        "± the standard deviation of the seeds’ means. PSNR in dB."
    )
    if record.do_nothing:
        caption += " “Do nothing” is the noisy image itself."
    names = replace(table.columns[0], heading=", ".join(record.axes))
    columns = [names, *table.columns[1:], Column("seeds", wide=True)]
    body = [[*row, cell] for row, cell in zip(table.rows, cells, strict=True)]
    return Table(caption, columns, body, f"{record.name}: {record.data}, {record.split} images")


# === What was compared ===

VERDICTS = {
    "higher": "higher",
    "lower": "lower",
    "hint": "hint only",
    "none": "no difference seen",
    "one seed": "one seed, not ranked",
}
_STYLES = {"higher": "bold", "lower": "bold", "hint": "", "none": "dim", "one seed": "dim"}
_SHOWN_WHOLE = 6  # comparisons; of a question with more, only those that see something are written out


def comparison_table(record: StudyRecord) -> Table:
    """Return the comparisons of ``record`` in words, question by question, in the order of the study, never by size.

    A question is one metric along one axis. Each has a line that counts what was seen; where it has more than six
    comparisons, those that show no difference stay with the count. What the study can tell apart is bold.
    """
    rows = []
    for metric, axis in in_order((one.metric, one.axis) for one in record.comparisons):
        asked = [one for one in record.comparisons if (one.metric, one.axis) == (metric, axis)]
        rows.append([Cell(f"{axis}, {metric_named(metric).label}: {_count(asked)}", style="italic")])
        for one in asked:
            if len(asked) <= _SHOWN_WHOLE or one.verdict in ("higher", "lower", "hint"):
                rows.append([Cell(f"  {one.sentence}", style=_STYLES[one.verdict])])
    title = "Comparisons, all else equal: difference [95 % interval over seeds and images]"
    return Table("every comparison in words: kerasae report", [Column("", False, wrap=True)], rows, title)


def _count(asked: Sequence[Comparison]) -> str:
    seen = Counter("difference" if one.verdict in ("higher", "lower") else one.verdict for one in asked)
    words = {"difference": "differ", "hint": "give a hint", "none": "show nothing", "one seed": "have one seed a side"}
    return f"of {len(asked)}, {', '.join(f'{seen[key]} {text}' for key, text in words.items() if seen[key])}"


def run_difference_table(comparison: RunComparison) -> Table:
    """Return the names of the runs, each with the letter it goes by, and what differs in their recipes."""
    columns = [Column("", False), *(Column(letter, False, wrap=True) for letter in letters(comparison))]
    rows = [[Cell("run", style="bold"), *(Cell(name, style="bold") for name in comparison.runs)]]
    rows += [[Cell(key), *map(_value, values)] for key, values in comparison.differs.items()]
    caption = "" if comparison.differs else "the recipes, and what they ran on, are the same"
    return Table(caption, columns, rows, "What differs")


def _value(value: Any) -> Cell:
    if value is None:
        return MISSING
    if isinstance(value, bool):
        return Cell(str(value).lower())
    return Cell(f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value))


def run_comparison_table(comparison: RunComparison) -> Table:
    """Return a row per score, those of one split and noise together, and each run's differences from the first.

    A cell holds the mean over images, beneath it the difference and its interval. ``− latents`` names what the first
    run's score was decoded from where that is something else; a number of images (``im.``) of its own is written too.
    """
    metrics = [METRICS[name] for name in measured_metrics(row.score for row in comparison.scores)]
    columns = [
        Column("split", False, line=0, once=True),
        Column("images", line=1, brief="{} im.", once=True),
        Column("noise", False, line=2, once=True),
        Column("", False),
        Column("decoded from", False),
        *(Column(metric.heading, wrap=True) for metric in metrics),
    ]
    letter_of = dict(zip(comparison.runs, letters(comparison), strict=True))
    rows, first = [], None
    for row in comparison.scores:
        score = row.score
        if first is None or (score.split, score.sigma) != (first.split, first.sigma):
            first = score
        about = [Cell(score.split), Cell(f"{first.count:,}"), Cell(at_sigma(score.sigma))]
        cells = [_compared(metric, row) for metric in metrics]
        rows.append([*about, Cell(letter_of[score.run], style="bold"), _decoded_from(row, first), *cells])
    return Table("", columns, rows, "Scores, and the difference from A")


def letters(comparison: RunComparison) -> list[str]:
    """Return the letter that each run goes by: A for the first."""
    count = len(ascii_uppercase)
    return [ascii_uppercase[place % count] * (place // count + 1) for place in range(len(comparison.runs))]


def _decoded_from(row: ComparedScore, first: Score) -> Cell:
    notes = [f"− {row.against}"] if row.against not in (None, row.score.decoded_from) else []
    notes += [f"{row.score.count:,} im."] if row.score.count != first.count else []
    return Cell(row.score.decoded_from, interval="\n".join(notes), style="not bold")


def _compared(metric: Metric, row: ComparedScore) -> Cell:
    summary: Summary | None = row.score.metrics.get(metric.name)
    if summary is None:
        return MISSING
    difference: Difference | None = row.metrics.get(metric.name)
    words = [] if difference is None else [signed(difference.mean, metric.digits)]
    if difference and difference.low is not None:
        words.append(f"[{signed(difference.low, metric.digits)}, {signed(difference.high, metric.digits)}]")
    return Cell(metric.format(summary.mean), summary.mean, interval="\n".join(words), style="bold")


TextFormat = Literal["markdown", "latex", "csv"]


def main_table(content: ReportContent) -> Table:
    """Return one row per cell of a study at the sigmas that matter most, or one row per score of a run."""
    if content.study:
        return study_table(content.study, sigmas=chosen_sigmas(content))
    scores = [score for run in content.runs for score in run.scores]
    scores += [score for score in content.do_nothing if score not in scores]
    scores = [score for score in scores if not (is_reference(score) and is_exact(score))]
    splits = in_order(score.split for score in scores)
    # By noise, so that what is to be compared stands together: the ways of decoding, and doing nothing last.
    scores.sort(key=lambda score: (splits.index(score.split), score.sigma, is_reference(score)))
    return score_table(scores)


def report_text(content: ReportContent, format: TextFormat) -> str:
    """Return the main table of ``content``.

    ``markdown`` has the answer before it and a sentence per comparison after it; ``latex`` is a booktabs table; ``csv``
    has every score in all digits, a line per cell (or run), sigma and metric. Raises ``ReportError`` on another format.
    """
    if format == "csv":
        return tidy_csv(content)
    if format == "latex":
        return as_latex(main_table(content))
    if format == "markdown":
        return _markdown(content)
    raise ReportError(f"no report format is called {format!r}; choose one of {', '.join(get_args(TextFormat))}")


def _markdown(content: ReportContent) -> str:
    table = main_table(content)
    parts = [f"# {markdown_escaped(content.title)}\n"]
    if content.study:
        parts.append(f"{markdown_escaped(content.study.question)}\n")
    parts += ["\n".join(markdown_escaped(sentence) for sentence in answer(content)) + "\n"]
    parts += [as_markdown(table), f"{markdown_escaped(table.caption)}\n"]
    comparisons = content.study.comparisons if content.study else ()
    if comparisons:
        parts.append("## Comparisons\n")
        parts.append("".join(f"- {markdown_escaped(comparison.sentence)}\n" for comparison in comparisons))
    parts.append(f"Made with `{content.command.replace('`', '')}`\n")
    return "\n".join(parts)


_RUN = ("run", "data", "split", "sigma", "decoded_from", "count", "metric", "mean", "std", "low", "high",
        "psnr_of_mean_mse", "kl_nats", "active_units", "bits_per_pixel")  # fmt: skip
_STUDY = ("sigma", "decoded_from", "seeds", "images", "metric", "mean", "std_over_seeds", "std_over_images", "low",
          "high", "per_seed", "psnr_of_mean_mse")  # fmt: skip
_HEADINGS = {"count": "images", "std": "std_over_images"}


def tidy_csv(content: ReportContent) -> str:
    """Return one line per cell, sigma and metric of a study, or per score and metric of runs, with all digits.

    The seeds' means stand in one field, ``;`` between them. An empty field does not apply.
    """
    study = content.study
    if study:
        axes, keys, scores = list(study.axes), _STUDY, [*study.scores, *study.do_nothing]
    else:
        axes, keys, scores = [], _RUN, [*(score for run in content.runs for score in run.scores), *content.do_nothing]
    lines: list[list[object]] = [["cell"] * bool(study) + axes + [_HEADINGS.get(key, key) for key in keys]]
    for score in scores:
        for metric in (name for name in measured_metrics(scores) if name in score.metrics):
            known = vars(score) | vars(score.metrics[metric]) | {"metric": metric}
            levels = [] if not study else [score.levels.get(axis, "") for axis in axes]
            cell = [] if not study else ["do nothing" if is_reference(score) else score.label]
            lines.append([*cell, *levels, *(_exact(known[key]) for key in keys)])
    return csv_of(lines)


def _exact(value: Any) -> Any:
    if isinstance(value, tuple):
        return ";".join(map(_exact, value))
    return "" if value is None else repr(float(value)) if isinstance(value, float) else value
