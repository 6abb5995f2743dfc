"""What keeps XLA from computing one layer inside of the next."""

from keras import ops


def unfused(images, kernel):
    """Return ``images``, so that XLA computes them before what reads them, not inside of it.

    A sum of pictures that is put into the loop of the next layer's rearrangement is no longer done eight numbers at a
    time, and takes four times as long. XLA's CPU compiler ignores ``optimization_barrier`` by the time it fuses, but
    nothing is fused across a condition that it cannot decide: a number is equal to itself, unless it is NaN.
    """
    first = ops.ravel(kernel)[0]
    return ops.cond(ops.equal(first, first), lambda: images, lambda: images * first)
