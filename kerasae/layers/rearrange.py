"""Blocks of pixels ↔ channels."""

import keras
import numpy as np
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


@keras.saving.register_keras_serializable(package="kerasae")
class BlockTransform(keras.layers.Layer):
    """Blocks of pixels ↔ ``channels`` coefficients, by a matrix that is learned.

        forward   (batch, rows·block, columns·block, colours) ──▶ (batch, rows, columns, channels)
        inverse   (batch, rows, columns, channels) ──▶ (batch, rows·block, columns·block, colours)

    The matrix starts as the orthonormal DCT-II (Ahmed, Natarajan, Rao 1974) times ``scale``, that of the inverse as its
    transpose over ``scale``: the two undo one another but for the coefficients left out. The ``channels`` kept are
    those of lowest frequency, row plus column, of each colour before the next frequency; three colours are first
    turned into luma and two differences, orthonormal too. What a convolutional codec has to find out first, that
    pictures are sums of waves of which the slow ones matter most, it starts from.
    Channels beyond the numbers of a block start as nothing.
    """

    def __init__(self, block: int, channels: int, colours: int, *, inverse: bool = False, scale: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.block = block
        self.channels = channels
        self.colours = colours
        self.inverse = inverse
        self.scale = float(scale)
        basis = cosine_basis(block, colours)[:, :channels]
        basis = np.pad(basis, ((0, 0), (0, channels - basis.shape[1])))
        start = basis.T / self.scale if inverse else basis * self.scale

        def initial(shape, dtype=None):
            return ops.convert_to_tensor(start.astype("float32"))

        # Not a kernel: it has its start, and no penalty.
        self.basis = self.add_weight(name="basis", shape=start.shape, initializer=initial)
        self.move = DepthToSpace(block, name="move") if inverse else SpaceToDepth(block, name="move")
        self.move.build((None, None, None, block**2 * colours if inverse else colours))
        self.built = True

    def call(self, x):
        """Return the coefficients of images, or with ``inverse`` the images of coefficients."""
        return self.move(ops.matmul(x, self.basis)) if self.inverse else ops.matmul(self.move(x), self.basis)

    def compute_output_shape(self, input_shape):
        """Return the shape of the coefficients, or with ``inverse`` of the images."""
        if self.inverse:
            return self.move.compute_output_shape((*input_shape[:-1], self.block**2 * self.colours))
        return (*self.move.compute_output_shape(input_shape)[:-1], self.channels)

    def get_config(self):
        """Return what is needed to build the layer again."""
        own = ("block", "channels", "colours", "inverse", "scale")
        return super().get_config() | {key: getattr(self, key) for key in own}


def cosine_basis(block: int, colours: int) -> np.ndarray:
    """Return an orthonormal basis of blocks, ``(block²·colours, block²·colours)`` float64, a column a coefficient.

    Rows run row, column, colour, as ``SpaceToDepth`` orders them; columns from low frequencies to high.
    """
    places = (np.arange(block) + 0.5) * np.pi / block
    waves = np.cos(np.arange(block)[:, None] * places) * np.sqrt(2 / block)
    waves[0] /= np.sqrt(2)
    mixes = np.eye(1)
    if colours == 3:
        mixes = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
    # (down, across, mix, row, column, colour)
    basis = np.einsum("dr,ac,mk->damrck", waves, waves, mixes).reshape(block**2 * len(mixes), -1)
    down, across, mix = (axis.reshape(-1) for axis in np.indices((block, block, len(mixes))))
    # Differences of colours are weak: their frequency counts as three times as high.
    frequency = (down + across) * np.where(mix > 0, 3, 1) + np.where(mix > 0, 1.5, 0)
    return basis[np.lexsort((across, mix, frequency))].T
