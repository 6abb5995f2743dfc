"""The middle of a density, which rounding is best done around."""

from collections.abc import Callable

import numpy as np

from kerasae.entropy.support import integer_support


def medians(log_cumulatives: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], channels: int) -> np.ndarray:
    """Return where F = ½, ``(channels,)`` float64, to a part in 2^52 of the range searched.

    ``log_cumulatives`` is that of a density, as in ``integer_support``.
    """
    lower, upper = (ends.astype(np.float64) for ends in integer_support(log_cumulatives, channels, tail_bits=1.0))
    lower, upper = lower - 0.5, upper + 0.5
    for _ in range(64):
        middle = 0.5 * (lower + upper)
        below, above = log_cumulatives(middle)
        lower, upper = np.where(below < above, middle, lower), np.where(below < above, upper, middle)
    return 0.5 * (lower + upper)
