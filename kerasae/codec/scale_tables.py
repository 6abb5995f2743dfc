"""The tables of normal distributions that a hyperprior chooses from."""

import numpy as np
from scipy.special import log_ndtr

from kerasae.codec.integer_synthesis import ACTIVATION_BITS
from kerasae.codec.tables import Tables, integer_frequencies

SCALES = 64
# Scales, in steps of the quantiser, go in equal ratios of e^(500/4096) = 1.13 from e^(−9040/4096) = 0.11 to 240.
_LOWEST, _RATIO = -9040, 500
# Symbols of a table on each side of 0, in scales and at least; what lies beyond is an escape.
_REACH = 6.0
_LEAST_REACH = 3
_MOST_REACH = 1023
# The normal distribution counts like so many symbols that were seen.
_PRIOR = 200.0


def scale_number(log_scales: np.ndarray) -> np.ndarray:
    """Return which of the scales is nearest in ratio, int64, for integers that are multiples of 2^−12 of ln scale."""
    return np.clip(np.floor((log_scales - _LOWEST + _RATIO // 2) / _RATIO), 0, SCALES - 1).astype(np.int64)


def scales() -> np.ndarray:
    """Return the scales, ``(64,)`` float64, in steps of the quantiser."""
    return np.exp((_LOWEST + _RATIO * np.arange(SCALES)) / 2**ACTIVATION_BITS)


def scale_tables(counts: np.ndarray | None = None) -> Tables:
    """Return a table for each scale.

    ``counts`` ``(64, 2·1023 + 1)`` says how often each integer from −1023 on was seen under each scale in training: the
    table is then between the normal distribution and what was seen, which is a little narrower at its top.
    """
    # Freezing has Keras loaded; reading files must not load it.
    from kerasae.entropy import integer_probabilities

    reach = np.clip(np.ceil(_REACH * scales()), _LEAST_REACH, _MOST_REACH).astype(int)
    width = 2 * reach.max() + 1
    lowest = np.full(SCALES, -reach.max())
    normal = integer_probabilities(_log_cumulatives, lowest, width)
    inside = np.abs(np.arange(width) - reach.max()) <= reach[:, None]
    seen = np.zeros((SCALES, width)) if counts is None else counts[:, _MOST_REACH - reach.max() :][:, :width]
    weights = (_PRIOR * normal + seen) * inside
    escaped = seen.sum(axis=1, keepdims=True) - (seen * inside).sum(axis=1, keepdims=True)
    outside = _PRIOR * np.maximum(1 - (normal * inside).sum(axis=1, keepdims=True), 1e-7) + escaped
    # All tables have one width in memory; integers beyond a table's own reach have the least share there is.
    return Tables(integer_frequencies(np.concatenate([weights, outside], axis=1)), lowest.astype(np.int32))


def count_integers(integers: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return how often each integer occurs under each scale, ``(64, 2·1023 + 1)``; those beyond count as the last."""
    places = np.clip(integers, -_MOST_REACH, _MOST_REACH) + _MOST_REACH
    flat = numbers.reshape(-1) * (2 * _MOST_REACH + 1) + places.reshape(-1)
    return np.bincount(flat, minlength=SCALES * (2 * _MOST_REACH + 1)).reshape(SCALES, -1).astype(np.float64)


def _log_cumulatives(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = values / scales()
    return log_ndtr(places), log_ndtr(-places)
