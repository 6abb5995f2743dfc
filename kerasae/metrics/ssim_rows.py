"""Uniform-window SSIM by a walk down the rows, for a CPU under XLA.

Sums over seven rows are carried; the row that enters is added and the one that leaves subtracted, and the sums of seven
side by side, the formula and the mean happen on that row while it is in cache. XLA would fuse box filters over whole
images so that it computes each sum again for every window it is in.
"""

import functools

from keras import ops

from kerasae.metrics.box_sum import WINDOW, sum_of_seven
from kerasae.metrics.structure import moments, uniform_ssim

# Rows until the sums are made afresh: without it the rounding of all additions and subtractions grows to 2e-5 in the
# result. With 8 the walk takes a quarter longer, with 32 no less.
_AFRESH = 16


def ssim_by_rows(x, y, middle):
    """Return SSIM with a 7×7 window per image, ``(batch,)``; its gradient would be slow.

    Args:
        x, y: images, float32, ``(batch, height, width, channels)``, of known shape.
        middle: a number near the values of each image, ``(batch, 1, 1, 1)``.
    """
    batch, height, width, channels = x.shape
    # With an axis of one channel at the end, XLA takes half as long again.
    x, y = (ops.reshape(a, (batch, height, width * channels)) for a in (x, y))
    windows = height - (WINDOW - 1)
    total = ops.zeros((batch, (width - (WINDOW - 1)) * channels), dtype="float32")
    images, whole = (x, y, middle[:, 0, 0]), windows // _AFRESH
    walk = _walk(channels, _AFRESH)
    total = ops.fori_loop(0, whole, _strip(walk), (total, images))[0]
    if windows % _AFRESH:
        total = _walk(channels, windows % _AFRESH)(whole * _AFRESH, total, images)
    return ops.mean(total, axis=1) / windows


@functools.cache
def _strip(walk):
    def strip(number, carry):
        total, images = carry
        return walk(number * _AFRESH, total, images), images

    return strip


# Cached, as is ``_strip``: JAX keeps what it compiled for a function as long as it is given the same one.
@functools.cache
def _walk(channels: int, rows: int):
    """Return what adds the SSIM of ``rows`` rows of windows, the first of them at row ``start``, to ``total``."""

    def similarity(sums, middle):
        """Return SSIM of one row of windows, ``(batch, (width − 6) · channels)``, from sums over seven rows."""
        means = (sum_of_seven(moment, axis=1, step=channels) * (1.0 / WINDOW**2) for moment in sums)
        return uniform_ssim(*means, middle, samples=WINDOW**2)

    def next_row(step, carry):
        sums, total, start, images = carry
        entering, leaving = _moments_at(start + step + (WINDOW - 1), images), _moments_at(start + step - 1, images)
        # The sums are carried, so XLA keeps them for the seven windows that each of them is in.
        sums = tuple(a + (new - old) for a, new, old in zip(sums, entering, leaving, strict=True))
        return sums, total + similarity(sums, images[2]), start, images

    def walk(start, total, images):
        first, *rest = (_moments_at(start + row, images) for row in range(WINDOW))
        sums = tuple(sum(later, moment) for moment, *later in zip(first, *rest, strict=True))
        carry = (sums, total + similarity(sums, images[2]), start, images)
        return ops.fori_loop(1, rows, next_row, carry)[1]

    return walk


def _moments_at(row, images):
    """Return the moments of one row of pixels of all images, each ``(batch, width · channels)``."""
    x, y, middle = images
    batch, _, width = x.shape
    x, y = (ops.slice(a, (0, row, 0), (batch, 1, width))[:, 0] for a in (x, y))
    return moments(x - middle, y - middle)
