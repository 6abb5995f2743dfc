"""Channels ↔ squares of positions, in NumPy: what ``SpaceToDepth`` and ``DepthToSpace`` do in a model."""

import numpy as np


def blocks(grid: np.ndarray, block: int) -> np.ndarray:
    """Return ``(images, rows/block, columns/block, block²·channels)`` of ``(images, rows, columns, channels)``."""
    images, rows, columns, channels = grid.shape
    parts = grid.reshape(images, rows // block, block, columns // block, block, channels).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(images, rows // block, columns // block, block**2 * channels)


def spread(grid: np.ndarray, block: int) -> np.ndarray:
    """Undo ``blocks``."""
    images, rows, columns, channels = grid.shape
    parts = grid.reshape(images, rows, columns, block, block, channels // block**2).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(images, rows * block, columns * block, channels // block**2)
