"""Latents ↔ integers, and integers ↔ differences from their neighbours."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from kerasae.errors import CodecError


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


# Integers beyond this saturate: what the escape code can carry. No trained model comes near it.
LARGEST = 2**20
# By how many steps borders between bins lie farther out: the first, the second, all beyond.
Zones = tuple[np.ndarray | float, np.ndarray | float, np.ndarray | float]


@dataclass(frozen=True, eq=False)
class Quantizer:
    """A uniform step per channel, and the value that stands for each integer.

    ``steps`` is ``(channels,)`` float32. ``points`` ``(channels, integers)`` float32 holds for the integers from
    ``lowest[channel]`` on what the decoder puts in their place: the mean of the training latents that were rounded to
    it (the centroid condition of Lloyd 1982), which is nearer to them than the middle of the bin where the density is
    steep. Integers outside stand for themselves times the step.

    Learned codecs round around ``offsets`` and hand their decoder the latents times ``corrections``, both
    ``(channels,)`` float32. They have no points: the decoder was trained on the middles of bins, and has learned what
    else there is to know. With ``dead_zone`` the bin of 0 is wider by so many steps on each side, and all others
    begin so much farther out, as do their middles: an integer nearer to 0 costs fewer bits (Sullivan 1996, "Efficient
    scalar quantization of exponential and Laplacian random variables").
    """

    steps: np.ndarray
    lowest: np.ndarray
    points: np.ndarray
    offsets: np.ndarray | float = 0.0
    corrections: np.ndarray | float = 1.0
    dead_zone: np.ndarray | None = None

    def quantize(self, latents: np.ndarray) -> np.ndarray:
        """Return ``latents`` ``(…, channels)`` as int32 of the same shape: divided by the steps, rounded half to even.

        Raises ``CodecError`` where a latent is not a finite number.
        """
        refuse_non_finite(latents)
        # In float32 like the latents, so that every backend and machine rounds the same quotient.
        quotients = (np.asarray(latents, np.float32) - np.float32(self.offsets)) / self.steps
        return rounded(quotients, zones_of(self.dead_zone))

    def dequantize(self, integers: np.ndarray) -> np.ndarray:
        """Return float32 latents of the same shape ``(…, channels)``."""
        if not self.points.shape[1]:
            latents = middles(integers, zones_of(self.dead_zone)) * self.steps + np.float32(self.offsets)
            return latents * np.float32(self.corrections)
        latents = (integers.astype(np.float32) * self.steps + np.float32(self.offsets)) * np.float32(self.corrections)
        places = integers - self.lowest
        known = (places >= 0) & (places < self.points.shape[1])
        channels = np.broadcast_to(np.arange(len(self.steps)), integers.shape)
        latents[known] = self.points[channels[known], places[known]]
        return latents


def refuse_non_finite(latents: np.ndarray) -> None:
    """Raise ``CodecError`` where a latent is not a finite number."""
    if not np.isfinite(latents).all():
        raise CodecError(
            "the encoder gave latents that are not finite numbers; the model is damaged or the image is not in "
            "[0, 255]: evaluate the run (kerasae evaluate) before compressing with it"
        )


def zones_of(dead_zone: np.ndarray | None, tables: np.ndarray | slice = slice(None)) -> Zones:
    """Return what ``rounded`` takes for integers whose tables have these numbers.

    ``dead_zone`` is ``(tables, 3)``, or ``(1,)`` where it is one number for all, as earlier versions froze it.
    """
    kept = dead_zone_array(dead_zone)
    return (kept[0],) * 3 if kept.ndim == 1 else tuple(kept[:, border][tables] for border in range(3))


def dead_zone_array(dead_zone: np.ndarray | None) -> np.ndarray:
    """Return what is kept of a dead zone, float32."""
    return np.zeros(1, "<f4") if dead_zone is None else dead_zone.astype("<f4")


def rounded(quotients: np.ndarray, zones: Zones = (0.0, 0.0, 0.0)) -> np.ndarray:
    """Return float32 ``quotients`` as int32, rounded half to even, or with ``zones`` more of them towards 0.

    An integer nearer to 0 costs fewer bits, so that borders between bins pay farther out (Sullivan 1996, "Efficient
    scalar quantization of exponential and Laplacian random variables"). ``zones`` says by how many steps, below one:
    that between 0 and ±1, that between ±1 and ±2, and all beyond; numbers, or arrays of the shape of ``quotients``.
    """
    if all(np.ndim(zone) == 0 and not zone for zone in zones):
        integers = np.rint(quotients)
    else:
        lengths = np.abs(quotients)
        zero, one, more = (np.ceil(lengths - (np.float32(0.5) + np.asarray(zone, np.float32))) for zone in zones)
        integers = np.copysign(np.where(zero <= 0, 0, np.where(one <= 1, 1, np.maximum(more, 2))), quotients)
    return np.clip(integers, -LARGEST, LARGEST).astype(np.int32)


def middles(integers: np.ndarray, zones: Zones) -> np.ndarray:
    """Return the middles of the bins of ``integers``, float32, in steps: see ``rounded``."""
    zero, one, more = (np.asarray(zone, np.float32) for zone in zones)
    half, sizes = np.float32(0.5), np.abs(integers)
    beyond = np.where(sizes == 1, half * (zero + one), np.where(sizes == 2, half * (one + more), more))
    return integers.astype(np.float32) + np.sign(integers) * beyond


def fit_quantizer(
    latents: np.ndarray,
    steps: np.ndarray,
    *,
    points: int = 512,
    offsets: np.ndarray | float = 0.0,
    corrections: np.ndarray | float = 1.0,
    dead_zone: np.ndarray | None = None,
) -> Quantizer:
    """Return the quantizer of these ``steps`` whose points are means of ``latents`` ``(count, channels)``.

    At most ``points`` integers, around each channel's middle, get a point of their own, none if 0. A bin of few latents
    is held near its middle: it counts as if four more latents lay there.
    """
    steps = np.asarray(steps, np.float32)
    none = np.zeros((len(steps), 0), np.float32)
    offsets, corrections = (np.float32(np.broadcast_to(value, steps.shape)) for value in (offsets, corrections))
    middle_only = Quantizer(steps, np.zeros(len(steps), np.int32), none, offsets, corrections, dead_zone)
    if not points:
        return middle_only
    integers = middle_only.quantize(latents)
    lowest = np.maximum(integers.min(axis=0), np.median(integers, axis=0).astype(np.int32) - points // 2)
    width = int(min(points, (integers.max(axis=0) - lowest).max() + 1))
    table = (lowest[:, None] + np.arange(width)) * steps[:, None].astype(np.float64) + offsets[:, None]
    for channel in range(len(steps)):
        places = integers[:, channel] - lowest[channel]
        known = (places >= 0) & (places < width)
        counts = np.bincount(places[known], minlength=width)
        sums = np.bincount(places[known], weights=latents[known, channel].astype(np.float64), minlength=width)
        table[channel] = (sums + 4 * table[channel]) / (counts + 4)
    points_of = (table * corrections[:, None]).astype(np.float32)
    return Quantizer(steps, lowest.astype(np.int32), points_of, offsets, corrections, dead_zone)
