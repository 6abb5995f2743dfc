"""A study's results → comparisons of levels, with verdicts and sentences, and the study's answer.

In: ``CellResults``, the scores of each cell's runs. Out: ``Comparison``s, and the sentences that open a report.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kerasae.evaluation.statistics import holm, paired_difference
from kerasae.metrics.registry import METRICS, compared_metrics
from kerasae.recipes import Study
from kerasae.records import BdRate, CellScore, Comparison, StudyCell, StudyRecord

_WORDS = {"psnr_change": "what noise costs in PSNR"}


@dataclass(frozen=True)
class CellResults:
    """The scores of one cell's runs: ``scores[sigma, decoded_from][metric]`` is ``(seeds, images)``.

    ``main`` is the way of decoding that the cell is compared by: the one its best epochs were chosen by.
    """

    cell: StudyCell
    scores: dict[tuple[float, str], dict[str, np.ndarray]]
    main: str

    def main_scores(self, metric: str, sigma: float) -> np.ndarray:
        """Return the scores it is compared by; ``psnr_change`` is PSNR at ``sigma`` less PSNR on clean images."""
        if metric == "psnr_change":
            return self.main_scores("psnr", sigma) - self.main_scores("psnr", 0.0)
        return self.scores[sigma, self.main][metric]


def sentence(one: Comparison, *, family: int) -> str:
    """Return what ``one`` says, with its interval, the noise, and how sure it is; ``family``: comparisons counted."""
    metric = METRICS[_column(one.metric)]
    unit, digits = f" {metric.unit}".rstrip(), metric.difference_digits
    sign = "+" if one.difference > 0 else ""
    difference = f"{sign}{_written(one.difference, digits)}{unit}"
    words = _WORDS.get(one.metric, metric.label)
    head = f"{_conditions(one)}: {one.level} against {one.reference} in {words}: {difference}"
    bounds = (one.images_low, one.images_high) if one.verdict == "one seed" else (one.low, one.high)
    interval = f"[{', '.join(_written(bound, digits) for bound in bounds)}]"
    if one.verdict == "one seed":
        return f"{head} {interval} over images; with one seed a side, nothing can be said of another training."
    return f"{head} {interval}, {_ending(one, family)}."


# What is compared: its words, its unit and the digits shown.


def _written(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "−")


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 0.001 else "0.001 or less"


def _column(metric: str) -> str:
    """Return the metric of images behind a comparison's: ``psnr_change`` is of ``psnr``."""
    return metric.removesuffix("_change")


def pairs_compared(study: Study, cells: Sequence[StudyCell]) -> list[tuple[str, StudyCell, StudyCell]]:
    """Return axis, cell and the cell it is compared with: along each axis of ``compare`` each level against the first.

    All else is equal.
    """
    by_levels = {tuple(cell.levels.items()): cell for cell in cells}
    found = []
    for axis in study.settings.compare:
        reference, *others = study.axes[axis]
        for cell in cells:
            against = by_levels.get(tuple((cell.levels | {axis: reference}).items()))
            if cell.levels[axis] in others and against is not None:
                found.append((axis, cell, against))
    return found


def compare_levels(study: Study, cells: Sequence[CellResults]) -> list[Comparison]:
    """Return every comparison of ``study``, of ``pairs_compared``.

    Compared are PSNR (dB), SSIM and the like at each compared sigma, and ``psnr_change``, PSNR under
    noise less PSNR on the same clean images (dB): robustness, whatever the quality. p-values are not corrected yet, and
    there is no verdict; see ``with_verdicts``.
    """
    settings = study.settings
    results = {one.cell.label: one for one in cells}
    found = []
    for axis, cell, against in pairs_compared(study, [one.cell for one in cells]):
        for metric in [*compared_metrics(), "psnr_change"]:
            for sigma in settings.compared_sigmas:
                if metric == "psnr_change" and (sigma == 0 or 0.0 not in settings.sigmas):
                    continue
                found.append(_compare(axis, results[cell.label], results[against.label], metric, sigma))
    return found


def _compare(axis: str, one: CellResults, against: CellResults, metric: str, sigma: float) -> Comparison:
    sides = [side.main_scores(metric, sigma) for side in (one, against)]
    difference = paired_difference(*sides)
    levels = one.cell.levels
    return Comparison(
        axis=axis,
        level=levels[axis],
        reference=against.cell.levels[axis],
        where={other: level for other, level in levels.items() if other != axis},
        sigma=sigma,
        decoded_from=(one.main, against.main),
        metric=metric,
        difference=difference.mean,
        low=difference.low,
        high=difference.high,
        p=difference.p,
        p_holm=None,
        images_low=difference.images_low,
        images_high=difference.images_high,
        p_images=difference.p_images,
        seed_spread=difference.seed_spread,
        seeds=min(len(side) for side in sides),
        images=sides[0].shape[1],
        verdict="",
        sentence="",
    )


def with_verdicts(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Return ``comparisons`` with corrected p-values, verdicts and sentences.

    The family that Holm's correction counts is one question: one metric along one axis.

    ``higher`` or ``lower``: the corrected p is below 0.05 and the difference larger than the seeds' spread. ``hint``:
    the interval excludes 0, but the rest does not hold. ``none``: it does not. ``one seed``: nothing can be said.
    """
    corrected: list[Comparison] = []
    for question in dict.fromkeys((one.metric, one.axis) for one in comparisons):
        family = [one for one in comparisons if (one.metric, one.axis) == question]
        p_images = holm([one.p_images for one in family])
        tested = [one for one in family if one.p is not None]
        p_holm = iter(holm([one.p for one in tested]))
        for one, p in zip(family, p_images, strict=True):
            one = replace(one, p_images=p, p_holm=None if one.p is None else next(p_holm))
            one = replace(one, verdict=_verdict(one))
            corrected.append(replace(one, sentence=sentence(one, family=len(family))))
    return corrected


def _verdict(one: Comparison) -> str:
    if one.p is None:
        return "one seed"
    if one.low <= 0 <= one.high:
        return "none"
    if one.p_holm >= 0.05 or abs(one.difference) <= one.seed_spread:
        return "hint"
    return "higher" if one.difference > 0 else "lower"


def _ending(one: Comparison, family: int) -> str:
    if one.verdict == "none":
        return "no difference that this study can see"
    if one.verdict == "hint":
        if abs(one.difference) <= one.seed_spread:
            return "less than the seeds' own spread, so not ranked"
        return f"a hint that does not hold among {family} comparisons (p = {_p(one.p_holm)} after Holm): try more seeds"
    words = ("more robust", "less robust") if one.metric == "psnr_change" else ("better", "worse")
    return f"{words[one.verdict != 'higher']} (p = {_p(one.p_holm)} after Holm over {family})"


def answer(record: StudyRecord) -> list[str]:
    """Return some sentences: the best on clean images and in noise, what differs, in bits too, and what failed."""
    sentences = [_best(record, record.sigmas[0])]
    noisy = [sigma for sigma in record.sigmas if sigma]
    if noisy:
        near = min(noisy, key=lambda sigma: abs(sigma - 0.1))
        sentences.append(_best(record, near) + _against_nothing(record, near))
    if record.comparisons:
        sentences.append(_differences(record))
    compared = [one for one in record.bd_rates if one.against in {cell.label for cell in record.cells}]
    if compared:
        sentences.append(_rates(compared))
    if record.failed:
        count = len(record.failed)
        sentences.append(f"{count} run{'s' * (count > 1)} failed and {'are' if count > 1 else 'is'} missing here.")
    return sentences


def _main_scores(record: StudyRecord, sigma: float) -> list[CellScore]:
    """Return each cell's score at ``sigma``, decoded as the cell is compared: the first of its scores."""
    first: dict[tuple, CellScore] = {}
    for score in record.scores:
        if score.sigma == sigma:
            first.setdefault(tuple(score.levels.items()), score)
    return list(first.values())


def _best(record: StudyRecord, sigma: float) -> str:
    scores = sorted(_main_scores(record, sigma), key=lambda score: -score.psnr.mean)
    best, rest = scores[0], scores[1:]
    where = "On clean images" if sigma == 0 else f"Under noise of σ {sigma:g}"
    head = f"{where} {best.label} reaches {_db(best.psnr)} PSNR and SSIM {best.ssim.mean:.3f}"
    # Intervals that overlap do not prove equality, but they are no ground for an order either.
    level = [score.label for score in rest if score.psnr.high >= best.psnr.low]
    if not rest:
        return f"{head}."
    if not level:
        return f"{head}, ahead of every other cell (next: {rest[0].label}, {_db(rest[0].psnr)})."
    names = "; ".join(level[:3]) + (f" and {len(level) - 3} more" if len(level) > 3 else "")
    return f"{head}; within its interval there {'is' if len(level) == 1 else 'are'} also {names}."


def _against_nothing(record: StudyRecord, sigma: float) -> str:
    nothing = next((score for score in record.do_nothing if score.sigma == sigma), None)
    if nothing is None:
        return ""
    scores = _main_scores(record, sigma)
    worse = sum(score.psnr.mean < nothing.psnr.mean for score in scores)
    tail = f"{worse} of {len(scores)} cells do worse than that" if worse else "every cell does better than that"
    return f" Doing nothing gives {nothing.psnr.mean:.2f} dB; {tail}."


def _differences(record: StudyRecord) -> str:
    psnr = [one for one in record.comparisons if one.metric == "psnr"]
    if all(one.verdict == "one seed" for one in psnr):
        return f"With one seed a side, none of the {len(psnr)} comparisons says anything of another training."
    axes = dict.fromkeys(one.axis for one in psnr)
    parts = [_along(axis, [one for one in psnr if one.axis == axis]) for axis in axes]
    return f"Of the comparisons in PSNR, {'; '.join(parts)}. Where none is seen, more seeds would tell."


def _along(axis: str, comparisons: list[Comparison]) -> str:
    sure = [one for one in comparisons if one.verdict in ("higher", "lower")]
    hints = sum(one.verdict == "hint" for one in comparisons)
    words = f"{len(sure)} of {len(comparisons)} along {axis} show a difference"
    if hints:
        words += f" and {hints} give{'s' * (hints == 1)} a hint"
    if sure:
        words += f", the largest {_named(max(sure, key=lambda one: abs(one.difference)))}"
    return words


def _rates(rates: Sequence[BdRate]) -> str:
    parts = [
        _rate(one)
        for one in rates
        if (one.metric, one.counted) == ("psnr", "files") and one.bd_rate_percent is not None
    ]
    if not parts:
        return "The cells' curves of quality over bits share too little for a comparison."
    return f"In bits of whole files at equal PSNR {'; '.join(parts)}."


def _rate(one: BdRate) -> str:
    sign = -1 if one.bd_rate_percent < 0 else 1
    head = f"{one.codec} takes {abs(one.bd_rate_percent):.1f} % {'fewer' if sign < 0 else 'more'} than {one.against}"
    if one.low is None:
        return f"{head} (one seed)"
    low, high = sorted((sign * one.low, sign * one.high))
    unseen = ", no difference that this study can see" if one.low <= 0 <= one.high else ""
    return f"{head} [{_written(low, 1)}, {_written(high, 1)}]{unseen}"


def _conditions(one: Comparison) -> str:
    return ", ".join([*one.where.values(), "clean" if one.sigma == 0 else f"σ {one.sigma:g}"])


def _named(one: Comparison) -> str:
    difference = f"{one.difference:+.2f}".replace("-", "−")
    return f"{one.level} against {one.reference} ({_conditions(one)}): {difference} dB"


def _db(summary) -> str:
    return f"{summary.mean:.2f} dB [{summary.low:.2f}, {summary.high:.2f}]"
