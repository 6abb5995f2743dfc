"""Mirror images, drawn where the model computes."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasae")
class RandomFlip(keras.layers.Layer):
    """Turn left to right, each image with probability one half.

    The generator belongs to the layer, as that of ``GaussianCorruption`` does, so that a resumed training draws what an
    uninterrupted one would have.

    Input and output: images ``(batch, height, width, channels)`` of any type.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images, about half of them mirrored."""
        draw = keras.random.uniform((ops.shape(images)[0], 1, 1, 1), seed=self.generator)
        return ops.where(draw < 0.5, ops.flip(images, axis=2), images)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"seed": self.seed}
