"""Sums over windows of seven."""

WINDOW = 7


def box_sum(a):
    """Return the sums over the 7×7 windows inside each image, ``(batch, height − 6, width − 6, channels)``.

    Args:
        a: ``(batch, height, width, channels)``.
    """
    return sum_of_seven(sum_of_seven(a, axis=1), axis=2)


def sum_of_seven(a, *, axis: int, step: int = 1):
    """Return the sums of seven neighbours along ``axis``, which gets ``6 · step`` shorter.

    In four additions: pairs, pairs of pairs, and what is left to seven.

    Args:
        a: tensor of any rank.
        axis: counted from the first, 0.
        step: how far neighbours are apart.
    """

    def cut(a, first, last):
        return a[(slice(None),) * axis + (slice(first * step, -last * step or None),)]

    pairs = cut(a, 0, 1) + cut(a, 1, 0)
    fours = cut(pairs, 0, 2) + cut(pairs, 2, 0)
    return cut(fours, 0, 3) + cut(pairs, 4, 1) + cut(a, 6, 0)
