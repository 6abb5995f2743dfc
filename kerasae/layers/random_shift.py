"""Moved images, drawn where the model computes."""

import keras
from keras import ops

from kerasae.errors import ModelError


@keras.saving.register_keras_serializable(package="kerasae")
class RandomShift(keras.layers.Layer):
    """Move a batch of images by up to ``most`` pixels up or down and to either side, the edge repeated.

    All images of a batch move alike, which costs next to nothing; batches are shuffled, so that each image is seen in
    every place in the end. The generator belongs to the layer, as that of ``RandomFlip``
    does.

    Input and output: images ``(batch, height, width, channels)`` of any type. Raises ``ModelError`` for ``most`` < 1.
    """

    def __init__(self, most: int, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        if most < 1:
            raise ModelError(f"most = {most} moves nothing; it is a number of pixels of 1 or more")
        self.most = most
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, images):
        """Return the images, all moved alike."""
        rows, columns = (self._places(side) for side in images.shape[1:3])
        return ops.take(ops.take(images, rows, axis=1), columns, axis=2)

    def _places(self, side: int):
        """Return which row (or column) is shown in the place of each."""
        start = keras.random.randint((), -self.most, self.most + 1, seed=self.generator)
        return ops.clip(ops.arange(side, dtype="int32") + ops.cast(start, "int32"), 0, side - 1)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"most": self.most, "seed": self.seed}
