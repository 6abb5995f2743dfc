"""One number per image → what a table shows."""

import numpy as np

from kerasae.records import Summary
from kerasae.statistics import bootstrap_interval


def summarise(values: np.ndarray) -> Summary:
    """Return mean, standard deviation over images (n − 1) and 95 % bootstrap interval of ``values`` ``(images,)``."""
    values = np.asarray(values, "float64")
    low, high = bootstrap_interval(values)
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Summary(float(values.mean()), std, float(low), float(high))
