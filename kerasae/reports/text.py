"""The main table of a report, and the report as Markdown, LaTeX and CSV."""

from typing import Any, Literal, get_args

from kerasae.errors import ReportError
from kerasae.records import ReportContent
from kerasae.reports.score_tables import score_table, study_table
from kerasae.reports.tables import Table, as_latex, as_markdown, csv_of, markdown_escaped
from kerasae.reports.wording import answer, chosen_sigmas, in_order, is_exact, is_reference, measured_metrics

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
