"""Generated images in rows and columns."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Grid:
    """One figure's images and the words around them.

    ``rows`` holds per row float images in [0, 1], ``(height, width, channels)``, and where intensities are compared
    signed changes in [−1, 1], ``(height, width)``; the last row may be shorter. ``row_labels`` and ``column_labels``
    are empty or one per row and column. ``apart`` holds the indexes of columns that stand apart from the others.
    ``name`` is the file's stem, ``note`` says how the images came about.
    """

    name: str
    title: str
    note: str
    rows: tuple[tuple[np.ndarray, ...], ...]
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    apart: tuple[int, ...] = ()
