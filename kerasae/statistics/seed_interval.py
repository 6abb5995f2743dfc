"""How far the mean of one kind of trained model can be trusted."""

import math

from kerasae.records import SeedSummary
from kerasae.statistics.bootstrap import bootstrap_interval
from kerasae.statistics.difference import checked_scores, mean_variance, t_interval


def seed_interval(scores, *, level: float = 0.95, within: tuple[float, float] = (-math.inf, math.inf)) -> SeedSummary:
    """Return mean, spread and interval of scores over seeds and images.

    The interval counts both, as that of ``paired_difference`` does: other seeds (variance of the seeds' means / seeds),
    and other images (variance over images of their mean over seeds / images). With one seed it is the bootstrap
    interval over images, and says nothing of another training.

    Args:
        scores: one number per seed and image, ``(seeds, images)``.
        level: coverage of the interval, between 0 and 1.
        within: the metric's own range; the interval is cut to it, which cuts no truth away.

    Raises:
        StatisticsError: another shape, numbers that are not finite, fewer than two images.
    """
    scores = checked_scores("scores", scores)
    per_seed, per_image = scores.mean(axis=1), scores.mean(axis=0)
    mean = float(per_seed.mean())
    if len(scores) > 1:
        low, high, _ = t_interval(mean, [mean_variance(per_seed)], mean_variance(per_image), level)
        std = float(per_seed.std(ddof=1))
    else:
        low, high = bootstrap_interval(per_image, level=level)
        std = None
    low, high = max(low, within[0]), min(high, within[1])
    return SeedSummary(mean, std, float(per_image.std(ddof=1)), low, high, tuple(float(one) for one in per_seed))
