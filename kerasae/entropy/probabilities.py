"""A density's probabilities, for tables."""

from collections.abc import Callable

import numpy as np


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
