"""Latents ↔ integers."""

from dataclasses import dataclass

import numpy as np

from kerasae.errors import CodecError

# Integers beyond this saturate: what the escape code can carry. No trained model comes near it.
LARGEST = 2**20


@dataclass(frozen=True, eq=False)
class Quantiser:
    """A uniform step per channel, and the value that stands for each integer.

    ``steps`` is ``(channels,)`` float32. ``points`` ``(channels, integers)`` float32 holds for the integers from
    ``lowest[channel]`` on what the decoder puts in their place: the mean of the training latents that were rounded to
    it (the centroid condition of Lloyd 1982), which is nearer to them than the middle of the bin where the density is
    steep. Integers outside stand for themselves times the step.
    """

    steps: np.ndarray
    lowest: np.ndarray
    points: np.ndarray

    def quantise(self, latents: np.ndarray) -> np.ndarray:
        """Return ``latents`` ``(…, channels)`` as int32 of the same shape: divided by the steps, rounded half to even.

        Raises ``CodecError`` where a latent is not a finite number.
        """
        if not np.isfinite(latents).all():
            raise CodecError(
                "the encoder gave latents that are not finite numbers; the model is damaged or the image is not in "
                "[0, 255]: evaluate the run (kerasae evaluate) before compressing with it"
            )
        # In float32 like the latents, so that every backend and machine rounds the same quotient.
        quotients = np.rint(np.asarray(latents, np.float32) / self.steps)
        return np.clip(quotients, -LARGEST, LARGEST).astype(np.int32)

    def dequantise(self, integers: np.ndarray) -> np.ndarray:
        """Return float32 latents of the same shape ``(…, channels)``."""
        latents = integers.astype(np.float32) * self.steps
        places = integers - self.lowest
        known = (places >= 0) & (places < self.points.shape[1])
        channels = np.broadcast_to(np.arange(len(self.steps)), integers.shape)
        latents[known] = self.points[channels[known], places[known]]
        return latents


def fit_quantiser(latents: np.ndarray, steps: np.ndarray, *, points: int = 512) -> Quantiser:
    """Return the quantiser of these ``steps`` whose points are means of ``latents`` ``(count, channels)``.

    At most ``points`` integers, around each channel's middle, get a point of their own. A bin of few latents is held
    near its middle: it counts as if four more latents lay there.
    """
    steps = np.asarray(steps, np.float32)
    middle_only = Quantiser(steps, np.zeros(len(steps), np.int32), np.zeros((len(steps), 0), np.float32))
    integers = middle_only.quantise(latents)
    lowest = np.maximum(integers.min(axis=0), np.median(integers, axis=0).astype(np.int32) - points // 2)
    width = int(min(points, (integers.max(axis=0) - lowest).max() + 1))
    table = (lowest[:, None] + np.arange(width)) * steps[:, None].astype(np.float64)
    for channel in range(len(steps)):
        places = integers[:, channel] - lowest[channel]
        known = (places >= 0) & (places < width)
        counts = np.bincount(places[known], minlength=width)
        sums = np.bincount(places[known], weights=latents[known, channel].astype(np.float64), minlength=width)
        table[channel] = (sums + 4 * table[channel]) / (counts + 4)
    return Quantiser(steps, lowest.astype(np.int32), table.astype(np.float32))
