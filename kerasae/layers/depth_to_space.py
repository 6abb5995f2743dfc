"""Channels into blocks of pixels."""

import keras
from keras import ops

from kerasae.errors import ModelError


@keras.saving.register_keras_serializable(package="kerasae")
class DepthToSpace(keras.layers.Layer):
    """Spread the channels over ``block`` × ``block`` squares of pixels: the inverse of ``SpaceToDepth``.

    ``(batch, height, width, block²·channels)`` → ``(batch, block·height, block·width, channels)``: the sub-pixel
    shuffle of Shi et al. 2016. Raises ``ModelError`` where the channels do not divide by ``block``².
    """

    def __init__(self, block: int, **kwargs):
        super().__init__(**kwargs)
        self.block = block

    def compute_output_shape(self, input_shape):
        """Return the shape after the move."""
        batch, height, width, channels = input_shape
        if channels % self.block**2:
            raise ModelError(f"{channels} channels do not fill blocks of {self.block}×{self.block}")
        return batch, height * self.block, width * self.block, channels // self.block**2

    def call(self, images):
        """Return the images with their channels spread over blocks."""
        self.compute_output_shape(images.shape)
        return depth_to_space(images, self.block)

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"block": self.block}


def depth_to_space(images, block: int):
    """Return what ``DepthToSpace(block)`` does; the channels must divide by ``block``²."""
    _, height, width, channels = images.shape
    parts = ops.reshape(images, (-1, height, width, block, block, channels // block**2))
    pixels = ops.transpose(parts, (0, 1, 3, 2, 4, 5))
    return ops.reshape(pixels, (-1, block * height, block * width, channels // block**2))
