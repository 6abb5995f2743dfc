"""Blocks of pixels into channels."""

import keras
from keras import ops

from kerasae.errors import ModelError


@keras.saving.register_keras_serializable(package="kerasae")
class SpaceToDepth(keras.layers.Layer):
    """Move each ``block`` × ``block`` square of pixels into the channels.

    ``(batch, height, width, channels)`` → ``(batch, height/block, width/block, block²·channels)``; within a position
    the channels run row, column, channel. Raises ``ModelError`` where a side does not divide by ``block``.
    """

    def __init__(self, block: int, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def compute_output_shape(self, input_shape):
        """Return the shape after the move."""
        batch, height, width, channels = input_shape
        if height % self.block or width % self.block:
            raise ModelError(
                f"images of {height}×{width} do not divide into blocks of {self.block}×{self.block}; pad them first"
            )
        return batch, height // self.block, width // self.block, channels * self.block**2

    def call(self, images):
        """Return the images with their blocks in the channels."""
        self.compute_output_shape(images.shape)
        return space_to_depth(images, self.block)

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"block": self.block}


def space_to_depth(images, block: int):
    """Return what ``SpaceToDepth(block)`` does; the sides must divide by ``block``."""
    _, height, width, channels = images.shape
    parts = ops.reshape(images, (-1, height // block, block, width // block, block, channels))
    pixels = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
    return ops.reshape(pixels, (-1, height // block, width // block, block**2 * channels))
