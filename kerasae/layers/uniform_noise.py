"""Noise that stands for rounding while a model trains."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasae")
class UniformNoise(keras.layers.Layer):
    """Add independent noise, uniform on [−½, ½], to every element: training's stand-in for rounding to integers.

    A density of the sum, taken at the integers, is what rounding would give: Ballé, Laparra, Simoncelli 2017,
    "End-to-end optimized image compression". The generator belongs to the layer, as that of ``GaussianCorruption``
    does, so that a resumed training draws what an uninterrupted one would have. Noise is drawn on every call; whether
    to add it is the caller's choice.

    Input and output: floats of any shape.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, x):
        """Return ``x`` with fresh noise."""
        return x + keras.random.uniform(ops.shape(x), -0.5, 0.5, dtype=x.dtype, seed=self.generator)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"seed": self.seed}
