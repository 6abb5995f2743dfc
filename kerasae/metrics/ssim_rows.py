"""Uniform-window SSIM by a walk down the rows, for a CPU under XLA.

Sums over seven rows are carried; the row that enters is added and the one that leaves subtracted, and the sums of seven
side by side, the formula and the mean happen on that row while it is in cache. XLA would fuse box filters over whole
images so that it computes each sum again for every window it is in.
"""

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
    middle = middle[:, 0, 0]

    def at(row):
        pair = (ops.slice(a, (0, row, 0), (batch, 1, width * channels))[:, 0] for a in (x, y))
        return moments(*(a - middle for a in pair))

    def similarity(sums):
        """Return SSIM of one row of windows, ``(batch, (width − 6) · channels)``, from sums over seven rows."""
        means = (sum_of_seven(moment, axis=1, step=channels) * (1.0 / WINDOW**2) for moment in sums)
        return uniform_ssim(*means, middle, samples=WINDOW**2)

    def walk(start, rows, total):
        """Add the SSIM of ``rows`` rows of windows, the first of them at row ``start``."""

        def next_row(step, carry):
            sums, total = carry
            entering, leaving = at(start + step + (WINDOW - 1)), at(start + step - 1)
            # The sums are carried, so XLA keeps them for the seven windows that each of them is in.
            sums = tuple(a + (new - old) for a, new, old in zip(sums, entering, leaving, strict=True))
            return sums, total + similarity(sums)

        sums = tuple(sum(rest, first) for first, *rest in zip(*(at(start + i) for i in range(WINDOW)), strict=True))
        return ops.fori_loop(1, rows, next_row, (sums, total + similarity(sums)))[1]

    windows = height - (WINDOW - 1)
    whole, left = divmod(windows, _AFRESH)
    total = ops.zeros((batch, (width - (WINDOW - 1)) * channels), dtype="float32")
    total = ops.fori_loop(0, whole, lambda strip, total: walk(strip * _AFRESH, _AFRESH, total), total)
    if left:
        total = walk(whole * _AFRESH, left, total)
    return ops.mean(total, axis=1) / windows
