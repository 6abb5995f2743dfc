"""log(1 − exp(−x)) to the last digit."""

import math

from keras import ops

_TURN = math.log(2.0)


def log1mexp(x):
    """Return ``log(1 − exp(−x))`` for ``x > 0``, of any shape, exact at both ends.

    Up to ln 2 the difference is taken by ``expm1``, beyond it by ``log1p``: Mächler 2012, "Accurately computing
    log(1 − exp(−|a|))". Not finite at 0: the caller keeps ``x`` above it.
    """
    is_small = x < _TURN
    # Each branch sees arguments that it can take: a NaN in the one not chosen would come back in the gradient.
    small = ops.log(-ops.expm1(-ops.where(is_small, x, _TURN)))
    large = ops.log1p(-ops.exp(-ops.where(is_small, _TURN, x)))
    return ops.where(is_small, small, large)
