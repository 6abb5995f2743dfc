"""Which integers a density needs a table for."""

import math
from collections.abc import Callable

import numpy as np

from kerasae.errors import ModelError

_FARTHEST = 2**40


def integer_support(
    log_cumulatives: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], channels: int, tail_bits: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return ``(lowest, highest)``, both ``(channels,)`` int64: the mass outside is at most 2^−``tail_bits`` a channel.

    The mass below ``lowest − ½`` and that above ``highest + ½`` are each at most half of it, and no narrower range has
    that. ``log_cumulatives`` is that of a density, with its conditions filled in: it maps ``values`` ``(channels,)`` to
    ln F and ln (1 − F). Found by bisection in float64 once training is over: no quantiles are trained along, and none
    can be stale. Raises ``ModelError`` where a tail does not end within 2^40 of 0.
    """
    threshold = -(tail_bits + 1) * math.log(2)
    lowest = _last_outside(lambda places: log_cumulatives(places - 0.5)[0], channels, threshold)
    mirrored = _last_outside(lambda places: log_cumulatives(0.5 - places)[1], channels, threshold)
    return lowest, -mirrored


def _last_outside(log_mass, channels: int, threshold: float) -> np.ndarray:
    """Return the largest integers with ``log_mass`` at most ``threshold``; ``log_mass`` never falls."""
    outside, inside = -np.ones(channels, np.int64), np.ones(channels, np.int64)
    for ends, is_wrong in ((outside, lambda mass: mass > threshold), (inside, lambda mass: mass <= threshold)):
        while (wrong := is_wrong(log_mass(ends.astype(np.float64)))).any():
            ends[wrong] *= 2
            if np.abs(ends).max() > _FARTHEST:
                raise ModelError(
                    f"the density of channel {int(wrong.argmax())} has no end within 2^40 of 0 "
                    f"at a tail of {threshold / -math.log(2):g} bits; it is not trained, or no cumulative"
                )
    while (inside - outside > 1).any():
        middle = (outside + inside) // 2
        is_outside = log_mass(middle.astype(np.float64)) <= threshold
        outside, inside = np.where(is_outside, middle, outside), np.where(is_outside, inside, middle)
    return outside
