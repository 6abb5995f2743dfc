"""Two curves → the difference in rate at equal quality."""

from collections.abc import Sequence

import numpy as np

from kerasae.metrics.registry import METRICS, compared_metrics, psnr_of_mse
from kerasae.records import BdRate, RatePoint

LEAST_POINTS = 6
# The least overlap that is worth a number, in dB; see ``_in_db``.
LEAST_OVERLAP_DB = 1.5
# And so many points of each curve must lie in it.
LEAST_POINTS_INSIDE = 3


def bd_rate_metrics() -> list[str]:
    """Return the metrics in which curves are compared; PSNR both as the mean over images and of the mean error."""
    names = list(compared_metrics())
    names.insert(names.index("psnr") + 1, "psnr_of_mean_mse")
    return names


def bd_rate(curve: Sequence[RatePoint], against: Sequence[RatePoint], metric: str) -> BdRate:
    """Return how many percent more bits ``curve`` takes than ``against`` at equal ``metric``; negative is better.

    Bjøntegaard's measure (VCEG-M33) with piecewise cubic interpolation, as the JVET uses it, by the package
    ``bjontegaard``: the mean difference of log-rate over the qualities that both curves reach. Points at which more
    bits bring no better quality are left out first. What is not in dB is compared by its distance from a perfect score,
    SSIM as −10·log10(1 − SSIM): equal steps of it are not equal steps near 1. ``bd_rate_percent`` is None, with the
    reason in ``message``, where either curve keeps fewer than six points or too little of the two overlaps.
    """
    from bjontegaard import bd_rate as bjontegaard_rate

    name, other = curve[0].codec, against[0].codec
    (rates, values), (other_rates, other_values) = _rising(curve, metric), _rising(against, metric)

    def refused(why: str) -> BdRate:
        return BdRate(codec=name, against=other, metric=metric, bd_rate_percent=None, overlap=None, message=why)

    for who, points in ((name, values), (other, other_values)):
        if len(points) < LEAST_POINTS:
            return refused(f"{who} has {len(points)} points that rise with rate; at least {LEAST_POINTS} are needed")
    low, high = max(values[0], other_values[0]), min(values[-1], other_values[-1])
    inside = [int(((points >= low) & (points <= high)).sum()) for points in (values, other_values)]
    if high - low < LEAST_OVERLAP_DB or min(inside) < LEAST_POINTS_INSIDE:
        return refused(
            f"the curves share {max(high - low, 0):.1f} dB with {inside[0]} and {inside[1]} points in it; at least "
            f"{LEAST_OVERLAP_DB} dB with {LEAST_POINTS_INSIDE} points each are needed"
        )
    percent = bjontegaard_rate(
        other_rates, other_values, rates, values, method="pchip", require_matching_points=False, min_overlap=0
    )
    overlap = (_plain(low, metric), _plain(high, metric))
    return BdRate(codec=name, against=other, metric=metric, bd_rate_percent=float(percent), overlap=overlap, message="")


def _rising(points: Sequence[RatePoint], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rates and qualities in dB, both rising."""
    rates, values = [], []
    for point in sorted(points, key=lambda point: (point.bits_per_pixel, point.metrics.get(metric) or 0)):
        if point.metrics.get(metric) is None:
            continue
        value = _in_db(point.metrics[metric], metric)
        if not values or (value > values[-1] and point.bits_per_pixel > rates[-1]):
            rates.append(point.bits_per_pixel)
            values.append(value)
    return np.array(rates), np.array(values)


def _perfect(metric: str) -> float | None:
    """Return the score of equal images; None of a metric in dB, which has none."""
    about = METRICS.get(metric, METRICS["psnr"])
    return None if about.unit == "dB" else about.high if about.higher_is_better else about.low


def _in_db(value: float, metric: str) -> float:
    perfect = _perfect(metric)
    return value if perfect is None else float(psnr_of_mse(abs(perfect - value)))


def _plain(value: float, metric: str) -> float:
    perfect = _perfect(metric)
    if perfect is None:
        return float(value)
    distance = 10 ** (-value / 10)
    return float(perfect - distance if METRICS[metric].higher_is_better else perfect + distance)
