"""Uniform-window SSIM by a walk down the rows, for a backend that compiles.

Sums over seven rows are carried; the row that enters is added and the one that leaves subtracted, and the sums of seven
side by side, the formula and the mean happen on that row while it is in cache. On a CPU under XLA this is 3 to 10 times
faster than box filters over whole images, which XLA fuses so that it computes each sum again for every window it is in.
"""

from keras import ops

from kerasae.metrics.structure import uniform_ssim

WINDOW = 7


def ssim_by_rows(x, y, middle):
    """Return SSIM with a 7×7 window per image, ``(batch,)``.

    Args:
        x, y: images less their middle, float32, ``(batch, height, width, channels)``.
        middle: what was taken off, ``(batch, 1, 1, 1)``.
    """
    middle = middle[:, 0]
    x = ops.transpose(x, (1, 0, 2, 3))  # (height, batch, width, channels): a row of all images is contiguous
    y = ops.transpose(y, (1, 0, 2, 3))
    sums = tuple(ops.sum(moment, axis=0) for moment in _moments(x[:WINDOW], y[:WINDOW]))
    errors = tuple(ops.zeros_like(moment) for moment in sums)
    total = _row_of_ssim(sums, middle)
    if x.shape[0] != WINDOW:
        rows = (x[WINDOW:], y[WINDOW:], x[:-WINDOW], y[:-WINDOW])
        (_, _, total, _), _ = ops.scan(_next_row, (sums, errors, total, middle), rows)
    windows_down = ops.cast(ops.shape(x)[0] - (WINDOW - 1), "float32")
    return ops.mean(total, axis=(1, 2)) / windows_down


def _next_row(carry, rows):
    """Move the window one row down; at module level, so that JAX compiles the walk once and not at every call."""
    sums, errors, total, middle = carry
    entering, leaving = _moments(rows[0], rows[1]), _moments(rows[2], rows[3])
    # Kahan's compensated sum: without it the rounding of 2·height additions grows to 2e-5 in the result.
    changes = tuple(new - old - error for new, old, error in zip(entering, leaving, errors, strict=True))
    moved = tuple(a + change for a, change in zip(sums, changes, strict=True))
    errors = tuple((b - a) - change for a, b, change in zip(sums, moved, changes, strict=True))
    return (moved, errors, total + _row_of_ssim(moved, middle), middle), None


def _moments(x, y):
    return x, y, x * x + y * y, x * y


def _row_of_ssim(sums, middle):
    """Return SSIM of one row of windows, ``(batch, width − 6, channels)``, from sums over seven rows."""
    means = (_sum_of_seven(moment) * (1.0 / WINDOW**2) for moment in sums)
    return uniform_ssim(*means, middle, samples=WINDOW**2)


def _sum_of_seven(a):
    """Return the sums of seven neighbours along the width, ``(batch, width, channels)`` -> ``width − 6``."""
    pairs = a[:, :-1] + a[:, 1:]
    fours = pairs[:, :-2] + pairs[:, 2:]
    return fours[:, :-3] + pairs[:, 4:-1] + a[:, 6:]
