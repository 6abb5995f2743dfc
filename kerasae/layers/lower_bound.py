"""A lower bound that training can come back from."""

from keras import ops

from kerasae.with_gradient import with_gradient


def lower_bound(x, bound: float):
    """Return ``max(x, bound)`` of the shape of ``x``, with a gradient that may still lift ``x`` over the bound.

    The gradient of the plain maximum is 0 below the bound, so that what has once slipped under it stays there. Here it
    passes wherever ``x ≥ bound``, and below the bound wherever descent would raise ``x``, that is where it is negative.
    The idea is that of Ballé's implementations of "Variational image compression with a scale hyperprior" (Ballé,
    Minnen, Singh, Hwang, Johnston 2018).
    """

    def bounded(x):
        return ops.maximum(x, ops.cast(bound, x.dtype))

    def gradient(upstream, x):
        passes = ops.logical_or(x >= bound, upstream < 0)
        return ops.where(passes, upstream, ops.zeros_like(upstream))

    # A copy, since ``x`` may be a variable.
    return with_gradient(bounded, gradient)(ops.copy(x))
