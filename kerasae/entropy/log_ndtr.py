"""The logarithm of the normal distribution's cumulative."""

import math

from keras import ops

# Below this erfc is about to underflow in float32 (at −13), and the series is exact to float32 (from −9 on).
_ASYMPTOTIC = -10.0


def log_ndtr(x):
    """Return ln Φ(x) of the standard normal cumulative Φ, in the shape of ``x``, float32.

    Relative error below 1e-5 for every ``x`` from −10⁶ to 9, where ln Φ is −1e-19; its gradient φ/Φ likewise. From
    erfc down to x = −10, and below by the first terms of Φ(x) = φ(x)/|x| · (1 − 1/x² + 3/x⁴ − 15/x⁶ + …) (Abramowitz
    & Stegun 1964, 26.2.12). TensorFlow, JAX and PyTorch each have such a function, ``keras.ops`` has none.
    """
    is_tail, is_negative = x < _ASYMPTOTIC, x < 0
    # Each branch sees arguments that it can take: a NaN in the one not chosen would come back in the gradient.
    middle, tail = ops.where(is_tail, _ASYMPTOTIC, x), ops.where(is_tail, x, _ASYMPTOTIC)
    # Whichever side x lies on, half of this is the smaller of Φ and 1 − Φ.
    smaller = 0.5 * ops.erfc(ops.where(is_negative, -middle, middle) * math.sqrt(0.5))
    near = ops.where(is_negative, ops.log(smaller), ops.log1p(-ops.where(is_negative, 0.0, smaller)))
    square = 1.0 / ops.square(tail)
    series = square * (-1.0 + square * (3.0 + square * (-15.0 + square * 105.0)))
    far = -0.5 * ops.square(tail) - ops.log(-tail) - 0.5 * math.log(2 * math.pi) + ops.log1p(series)
    return ops.where(is_tail, far, near)
