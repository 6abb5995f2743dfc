"""The starting point of training, the same on every backend."""

import keras
import numpy as np

from kerasae.layers import GlorotUniform


def initialise(model: keras.Model, seed: int) -> None:
    """Draw every kernel of ``model`` anew, Glorot uniform (Glorot & Bengio 2010); biases stay 0.

    One seed for all of them, so that runs on two backends start from one point and differ by arithmetic only. Kernels
    are drawn in the order of ``trainable_variables``; what is not called a kernel, such as the matrices of a density,
    keeps the start its layer gave it.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x1417]))
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(GlorotUniform.draw(generator, variable.shape))
