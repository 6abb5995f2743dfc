"""Every score behind a report, a line each, for other programs."""

from kerasae.records import CellScore, ReportContent, Score
from kerasae.reports.text.written import lines_of

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
