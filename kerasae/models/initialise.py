"""The starting point of training, the same on every backend."""

import math

import keras
import numpy as np


def initialise(model: keras.Model, seed: int) -> None:
    """Draw every kernel of ``model`` anew with NumPy, Glorot uniform (Glorot & Bengio 2010); biases stay 0.

    The same Keras seed gives other numbers on each backend; these are the same everywhere, so that runs on two backends
    start from one point and differ by arithmetic only. Kernels are drawn in the order of ``trainable_variables``; what
    is not called a kernel, such as the matrices of a density, keeps the start its layer gave it.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x1417]))
    for variable in model.trainable_variables:
        if variable.name != "kernel":
            continue
        *window, inputs, outputs = variable.shape
        limit = math.sqrt(6.0 / (math.prod(window) * (inputs + outputs)))
        variable.assign(generator.uniform(-limit, limit, variable.shape).astype("float32"))
