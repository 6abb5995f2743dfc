"""Kernels drawn with NumPy, alike on every backend."""

import math
import random

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable(package="kerasae")
class GlorotUniform(keras.initializers.Initializer):
    """Uniform within ±√(6 / (fan in + fan out)) (Glorot & Bengio 2010), drawn by NumPy.

    ``keras.initializers.GlorotUniform`` draws on the backend, for which JAX compiles a program per shape of kernel:
    about a second each for convolutions', at every start, also where saved weights are loaded right after.

    Args:
        seed: a whole number; each call draws the same. By default drawn with Python's ``random``, which
            ``keras.utils.set_random_seed`` seeds.
    """

    def __init__(self, seed: int | None = None):
        # Kept as given: two models that are built alike have equal configurations.
        self.seed = seed
        self._drawn_from = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape, dtype=None):
        """Return the start of a kernel, ``(*window, inputs, outputs)``."""
        drawn = self.draw(np.random.default_rng(self._drawn_from), shape)
        return ops.convert_to_tensor(drawn, dtype or keras.config.floatx())

    @staticmethod
    def draw(generator: np.random.Generator, shape) -> np.ndarray:
        """Return the same, float32, from ``generator``."""
        *window, inputs, outputs = shape
        limit = math.sqrt(6.0 / (math.prod(window) * (inputs + outputs)))
        return generator.uniform(-limit, limit, tuple(shape)).astype("float32")

    def get_config(self):
        """Return what is needed to draw the same again."""
        return {"seed": self.seed}
