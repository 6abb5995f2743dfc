"""Logarithms that stay exact in the tails, and a density's integers."""

import math
from collections.abc import Callable

import numpy as np
from keras import ops

from kerasae.errors import ModelError

_TURN = math.log(2.0)


def log1mexp(x):
    """Return ``log(1 − exp(−x))`` for ``x > 0``, of any shape, exact at both ends.

    Up to ln 2 the difference is taken by ``expm1``, beyond it by ``log1p``: Mächler 2012, "Accurately computing
    log(1 − exp(−|a|))". Not finite at 0: the caller keeps ``x`` above it.
    """
    is_small = x < _TURN
    # Each branch sees arguments that it can take: a NaN in the one not chosen would come back in the gradient.
    small = ops.log(-ops.expm1(-ops.where(is_small, x, _TURN)))
    large = ops.log1p(-ops.exp(-ops.where(is_small, _TURN, x)))
    return ops.where(is_small, small, large)


# Below this erfc is about to underflow in float32 (at −13), and the series is exact to float32 (from −9 on).
_ASYMPTOTIC = -10.0


def log_ndtr(x):
    """Return ln Φ(x) of the standard normal cumulative Φ, in the shape of ``x``, float32.

    Relative error below 1e-5 for every ``x`` from −10⁶ to 9, where ln Φ is −1e-19; its gradient φ/Φ likewise. From
    erfc down to x = −10, and below by the first terms of Φ(x) = φ(x)/|x| · (1 − 1/x² + 3/x⁴ − 15/x⁶ + …) (Abramowitz
    & Stegun 1964, 26.2.12). TensorFlow, JAX and PyTorch each have such a function, ``keras.ops`` has none.
    """
    is_tail, is_negative = x < _ASYMPTOTIC, x < 0
    # Each branch sees arguments that it can take: a NaN in the one not chosen would come back in the gradient.
    middle, tail = ops.where(is_tail, _ASYMPTOTIC, x), ops.where(is_tail, x, _ASYMPTOTIC)
    # Whichever side x lies on, half of this is the smaller of Φ and 1 − Φ.
    smaller = 0.5 * ops.erfc(ops.where(is_negative, -middle, middle) * math.sqrt(0.5))
    near = ops.where(is_negative, ops.log(smaller), ops.log1p(-ops.where(is_negative, 0.0, smaller)))
    square = 1.0 / ops.square(tail)
    series = square * (-1.0 + square * (3.0 + square * (-15.0 + square * 105.0)))
    far = -0.5 * ops.square(tail) - ops.log(-tail) - 0.5 * math.log(2 * math.pi) + ops.log1p(series)
    return ops.where(is_tail, far, near)


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


def integer_probabilities(
    log_cumulatives: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]], lowest: np.ndarray, count: int
) -> np.ndarray:
    """Return the probabilities of ``count`` integers from ``lowest`` ``(channels,)`` on, ``(channels, count)`` float64.

    ``log_cumulatives`` is that of a density, with its conditions filled in: it maps ``values`` ``(edges, channels)`` to
    ln F and ln (1 − F). The difference is taken on whichever side of the middle F or 1 − F is small, so that a
    probability is right to 10⁻¹² of itself wherever it is worth an entry. What a row lacks of 1 lies outside. Computed
    in NumPy alone: equal weights give equal tables, whatever backend trained them.
    """
    edges = np.asarray(lowest, np.int64) + np.arange(count + 1)[:, None] - 0.5
    below, above = (np.exp(side) for side in log_cumulatives(edges))
    is_left = below[1:] < above[:-1]
    return np.where(is_left, below[1:] - below[:-1], above[:-1] - above[1:]).T
