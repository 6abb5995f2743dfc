"""Level against level, all else equal."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from kerasae.recipe import Study
from kerasae.records import Comparison
from kerasae.statistics import holm, paired_difference
from kerasae.studies.sentence import sentence

# What is compared, and whether it is a change from the clean images to the noisy ones.
METRICS = {"psnr": ("psnr", False), "ssim": ("ssim", False), "psnr_change": ("psnr", True)}


def compare_levels(study: Study, evidence: Sequence) -> list[Comparison]:
    """Return every comparison of ``study``: along each axis of ``compare`` each level against the first.

    All else is equal. Compared are PSNR (dB) and SSIM at each compared sigma, and ``psnr_change``, PSNR under noise
    less PSNR on the same clean images (dB): robustness, whatever the quality. ``evidence`` holds a ``CellEvidence`` for
    each cell. p-values are not corrected yet, and there is no verdict; see ``with_verdicts``.
    """
    settings = study.settings
    by_levels = {tuple(one.cell.levels.items()): one for one in evidence}
    found = []
    for axis in settings.compare:
        reference, *others = study.axes[axis]
        for one in evidence:
            level = one.cell.levels[axis]
            against = by_levels.get(tuple((one.cell.levels | {axis: reference}).items()))
            if level not in others or against is None:
                continue
            for metric, (column, is_change) in METRICS.items():
                for sigma in settings.compared_sigmas:
                    if is_change and (sigma == 0 or 0.0 not in settings.sigmas):
                        continue
                    sides = [_scores(side, column, sigma, is_change) for side in (one, against)]
                    found.append(_compared(axis, one, against, metric, sigma, sides))
    return found


def _scores(evidence, column: str, sigma: float, is_change: bool) -> np.ndarray:
    scores = evidence.scores[sigma, evidence.main][column]
    return scores - evidence.scores[0.0, evidence.main][column] if is_change else scores


def _compared(axis: str, one, against, metric: str, sigma: float, sides) -> Comparison:
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
