"""Where a reconstruction went most wrong."""

import numpy as np

SIDE = 32


def worst_region(original: np.ndarray, reconstruction: np.ndarray, side: int = SIDE) -> tuple[slice, slice]:
    """Return the rows and columns of the square of ``side`` pixels with the largest mean squared error.

    Images are ``(height, width, channels)``; a smaller one is returned whole. Of equal squares the first in reading
    order is taken.
    """
    squared = np.square(original.astype("float64") - reconstruction.astype("float64")).mean(axis=-1)
    height, width = (min(side, length) for length in squared.shape)
    sums = np.pad(squared.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    boxes = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    # Differences of long sums: what is equal may differ in the last digits.
    row, column = np.argwhere(boxes >= boxes.max() - 1e-6)[0]
    return slice(int(row), int(row) + height), slice(int(column), int(column) + width)
