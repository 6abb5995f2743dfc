"""Uniform-window SSIM by box filters over a few images at a time, for a backend that runs operations one by one."""

from keras import ops

from kerasae.metrics.mse import image_mean
from kerasae.metrics.structure import uniform_ssim

IMAGES_AT_ONCE = 8  # at 128×128 what is in use stays in cache: 3 times faster than 128 at once


def ssim_by_boxes(x, y, middle):
    """Return SSIM with a 7×7 window per image, ``(batch,)``.

    Args:
        x, y: images less their middle, float32, ``(batch, height, width, channels)``; the batch size must be known.
        middle: what was taken off, ``(batch, 1, 1, 1)``.
    """
    groups = [slice(start, start + IMAGES_AT_ONCE) for start in range(0, x.shape[0], IMAGES_AT_ONCE)]
    parts = [_ssim_of_group(x[group], y[group], middle[group]) for group in groups]
    return ops.concatenate(parts) if parts else ops.zeros((0,), dtype="float32")


def _ssim_of_group(x, y, middle):
    means = (_box(moment) * (1.0 / 49) for moment in (x, y, x * x + y * y, x * y))
    return image_mean(uniform_ssim(*means, middle, samples=49))


def _box(a):
    """Return sums over 7×7 windows inside the image, in four additions per axis."""
    pairs = a[:, :-1] + a[:, 1:]
    fours = pairs[:, :-2] + pairs[:, 2:]
    a = fours[:, :-3] + pairs[:, 4:-1] + a[:, 6:]
    pairs = a[:, :, :-1] + a[:, :, 1:]
    fours = pairs[:, :, :-2] + pairs[:, :, 2:]
    return fours[:, :, :-3] + pairs[:, :, 4:-1] + a[:, :, 6:]
