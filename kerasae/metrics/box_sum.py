"""Sums over square windows."""

from keras import ops

WINDOW = 7


def box_sum(a):
    """Return the sums over the 7×7 windows inside each image, ``(batch, height − 6, width − 6, channels)``.

    In four additions per axis: pairs, pairs of pairs, and what is left to seven.

    Args:
        a: ``(batch, height, width, channels)``.
    """
    pairs = a[:, :-1] + a[:, 1:]
    fours = pairs[:, :-2] + pairs[:, 2:]
    sevens = fours[:, :-3] + pairs[:, 4:-1] + a[:, 6:]
    _, height, width, channels = sevens.shape
    sums = row_sum(ops.reshape(sevens, (-1, height, width * channels)), channels)
    return ops.reshape(sums, (-1, height, width - (WINDOW - 1), channels))


def row_sum(a, channels: int):
    """Return the sums of seven neighbours along rows of pixels, ``(…, (width − 6) · channels)``.

    Args:
        a: ``(…, width · channels)``, the channels of a pixel side by side. XLA on a CPU takes twice as long over a last
            axis of one channel.
    """
    one, two, four, six = channels, 2 * channels, 4 * channels, 6 * channels
    pairs = a[..., :-one] + a[..., one:]
    fours = pairs[..., :-two] + pairs[..., two:]
    return fours[..., : fours.shape[-1] - two - one] + pairs[..., four : pairs.shape[-1] - one] + a[..., six:]
