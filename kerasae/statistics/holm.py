"""Many tests at once."""

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for their number, in the order given.

    Refusing at 0.05 what is returned keeps the chance of any false alarm in the family at 5 %, however the tests depend
    on one another: the smallest p counts ``n`` times, the next ``n − 1`` times, and so on, none less than the one
    before, none above 1.

    Source: Holm 1979, "A simple sequentially rejective multiple test procedure".
    """
    values = np.asarray(p_values, dtype="float64")
    order = np.argsort(values, kind="stable")
    steps = np.minimum(1.0, np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1)))
    corrected = np.empty_like(values)
    corrected[order] = steps
    return [float(value) for value in corrected]
