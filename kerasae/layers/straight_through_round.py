"""Rounding that a gradient passes through."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasae")
def straight_through_round(x):
    """Return ``x`` rounded to the nearest integers, halves to even, with the gradient of the identity.

    Any shape of floats. The value is exactly ``round(x)``: what is added to it is ``x − x``. Straight-through estimate:
    Bengio, Léonard, Courville 2013, "Estimating or propagating gradients through stochastic neurons for conditional
    computation"; for image compression: Theis, Shi, Cunningham, Huszár 2017, "Lossy image compression with compressive
    autoencoders".
    """
    x = ops.convert_to_tensor(x)
    return ops.stop_gradient(ops.round(x)) + (x - ops.stop_gradient(x))
