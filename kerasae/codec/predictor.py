"""Integers ↔ differences from their neighbours, where neighbours are alike."""

from enum import IntEnum

import numpy as np


class Predictor(IntEnum):
    """What an integer of a channel is predicted from; stored with the tables, a byte a channel.

    All but ``NONE`` are undone by cumulative sums over whole rows and columns, so that no decoder walks pixel by pixel.
    """

    NONE = 0
    LEFT = 1  # the neighbour to the left; in the first column the one above
    ABOVE = 2  # the neighbour above; in the first row the one to the left
    PLANE = 3  # left + above − above left: the plane through the three


def differences(grid: np.ndarray, kind: Predictor) -> np.ndarray:
    """Return ``grid``, integers ``(…, rows, columns)``, less their predictions."""
    if kind == Predictor.NONE:
        return grid
    rest = grid.copy()
    if kind in (Predictor.LEFT, Predictor.PLANE):
        rest[..., :, 1:] -= grid[..., :, :-1]
    if kind == Predictor.LEFT:
        rest[..., 1:, 0] -= grid[..., :-1, 0]
    if kind == Predictor.ABOVE:
        rest[..., 1:, :] -= grid[..., :-1, :]
        rest[..., 0, 1:] -= grid[..., 0, :-1]
    if kind == Predictor.PLANE:
        across = rest.copy()
        rest[..., 1:, :] -= across[..., :-1, :]
    return rest


def undo_differences(rest: np.ndarray, kind: Predictor) -> np.ndarray:
    """Return the integers whose ``differences`` are ``rest``, ``(…, rows, columns)``."""
    if kind == Predictor.NONE:
        return rest
    # int64: damaged files may hold differences that add up to more than an int32 holds.
    grid = rest.astype(np.int64)
    if kind == Predictor.LEFT:
        grid[..., :, 0] = np.cumsum(grid[..., :, 0], axis=-1)
        grid = np.cumsum(grid, axis=-1)
    elif kind == Predictor.ABOVE:
        grid[..., 0, :] = np.cumsum(grid[..., 0, :], axis=-1)
        grid = np.cumsum(grid, axis=-2)
    else:
        grid = np.cumsum(np.cumsum(grid, axis=-1), axis=-2)
    return grid.astype(np.int32)
