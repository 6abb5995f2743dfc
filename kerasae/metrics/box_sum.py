"""Sums over square windows."""

WINDOW = 7


def box_sum(a):
    """Return the sums over the 7×7 windows inside each image, ``(batch, height − 6, width − 6, channels)``.

    In four additions per axis: pairs, pairs of pairs, and what is left to seven.

    Args:
        a: ``(batch, height, width, channels)``.
    """
    pairs = a[:, :-1] + a[:, 1:]
    fours = pairs[:, :-2] + pairs[:, 2:]
    return row_sum(fours[:, :-3] + pairs[:, 4:-1] + a[:, 6:])


def row_sum(a):
    """Return the sums of seven neighbours along the width alone, ``(…, width − 6, channels)``.

    Args:
        a: ``(…, width, channels)``.
    """
    pairs = a[..., :-1, :] + a[..., 1:, :]
    fours = pairs[..., :-2, :] + pairs[..., 2:, :]
    return fours[..., :-3, :] + pairs[..., 4:-1, :] + a[..., 6:, :]
