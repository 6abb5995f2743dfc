"""Noise on the input of a model, drawn where the model computes."""

import keras
from keras import ops

from kerasae.errors import ModelError


@keras.saving.register_keras_serializable(package="kerasae")
class GaussianCorruption(keras.layers.Layer):
    """Add Gaussian noise of standard deviation ``sigma`` and clip to [0, 1].

    Keras' own ``GaussianNoise`` neither clips nor draws outside training. The generator belongs to the layer, so that
    its state is saved and restored with the model's other variables.

    Input and output: images ``(batch, height, width, channels)`` in [0, 1]. Raises ``ModelError`` for a sigma outside
    [0, 1].
    """

    def __init__(self, sigma: float = 0.1, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if not 0 <= sigma <= 1:
            raise ModelError(f"sigma = {sigma} is out of range; it is a standard deviation in [0, 1] intensity")
        self.sigma = float(sigma)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images with fresh noise."""
        if self.sigma == 0:
            return images
        noise = keras.random.normal(ops.shape(images), dtype=images.dtype, seed=self.generator)
        return ops.clip(images + self.sigma * noise, 0.0, 1.0)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"sigma": self.sigma, "seed": self.seed}
