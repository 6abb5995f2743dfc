"""The stride-2 convolution and its transpose, in the form that each device computes fastest."""

import functools
import math
import random

import keras
import numpy as np
from keras import ops

from kerasae.layers.rearrange import depth_to_space, space_to_depth
from kerasae.runtime import with_gradient, xla_on_cpu


def geometry(size: int) -> tuple[int, int, int]:
    """Return K, b and f of the folder's docstring."""
    padding = max(size - 2, 0) // 2
    before = (padding + 1) // 2
    front = padding % 2
    return (front + size + 1) // 2, before, front


def block_taps(kernel):
    """Return W of the folder's docstring in both axes: ``(K, 2, K, 2, channels, filters)``."""
    size, _, channels, filters = kernel.shape
    blocks, _, front = geometry(size)
    sides = (front, 2 * blocks - front - size)
    return ops.reshape(ops.pad(kernel, (sides, sides, (0, 0), (0, 0))), (blocks, 2, blocks, 2, channels, filters))


def pad(images, before: int, after: int):
    """Return ``images`` with zeros before and after their rows and their columns."""
    return ops.pad(images, ((0, 0), (before, after), (before, after), (0, 0))) if before or after else images


def fusion_barrier(images, kernel):
    """Return ``images``, so that XLA computes them before what reads them, not inside of it.

    A sum of pictures that is put into the loop of the next layer's rearrangement is no longer done eight numbers at a
    time, and takes four times as long. XLA's CPU compiler ignores ``optimization_barrier`` by the time it fuses, but
    nothing is fused across a condition that it cannot decide: a number is equal to itself, unless it is NaN.
    """
    first = ops.ravel(kernel)[0]
    return ops.cond(ops.equal(first, first), lambda: images, lambda: images * first)


# With more channels than this on both sides, XLA's own forms are as fast, and need less memory.
_FEW_CHANNELS = 16


def is_faster(layer, kernel_shape) -> bool:
    """Return whether ``layer``, a convolution or its transpose, should compute with the functions of this folder.

    ``kernel_shape`` is ``(k, k, channels, filters)``. True on JAX's CPU backend alone, for stride 2, ``same`` padding,
    channels last, float32, a square kernel, and at most 16 channels on one side: what was measured.
    """
    return (
        layer.strides == (2, 2)
        and layer.padding == "same"
        and layer.data_format == "channels_last"
        and layer.dilation_rate == (1, 1)
        and layer.compute_dtype == "float32"
        and kernel_shape[0] == kernel_shape[1]
        and min(kernel_shape[2:]) <= _FEW_CHANNELS
        and xla_on_cpu()
    )


# A convolution of at most this many products per output pixel is faster as a sum of scaled pictures than as a
# convolution: 1 → 8 channels takes a fifth of the time, 3 → 32 channels no less.
_PRODUCTS_OF_A_SUM = 256
# Where all taps of all outputs make up to so many numbers a block (64 bytes), one matrix product with the pixels first
# and sums of its shifted columns after take a third to a half of the time of a convolution; with more, several times.
_FEW_COLUMNS = 16


def down(big, kernel):
    """Return the stride-2 convolution of ``big``, ``(batch, height/2, width/2, filters)``."""
    size, _, channels, filters = kernel.shape
    blocks, before, _ = geometry(size)
    if is_sum_of_pictures(kernel):
        return _sum_of_pictures(big, kernel)
    if blocks**2 * filters > _FEW_COLUMNS:
        return ops.conv(big, kernel, strides=2, padding="same", data_format="channels_last")
    taps = ops.transpose(block_taps(kernel), (1, 3, 4, 0, 2, 5))
    columns = ops.matmul(space_to_depth(big, 2), ops.reshape(taps, (4 * channels, -1)))
    return _sum_shifted(pad(columns, before, blocks - 1 - before), blocks)


def up(small, kernel):
    """Return the transposed stride-2 convolution of ``small``, ``(batch, 2·height, 2·width, channels)``."""
    size, _, channels, filters = kernel.shape
    blocks, before, _ = geometry(size)
    taps = ops.flip(block_taps(kernel), axis=(0, 2))
    padded = pad(small, blocks - 1 - before, before)
    if 4 * blocks**2 * channels <= _FEW_COLUMNS:
        by_filter = ops.reshape(ops.transpose(taps, (5, 0, 2, 1, 3, 4)), (filters, -1))
        sums = _sum_shifted(ops.matmul(padded, by_filter), blocks)
    else:
        by_place = ops.reshape(ops.transpose(taps, (0, 2, 5, 1, 3, 4)), (blocks, blocks, filters, 4 * channels))
        sums = ops.conv(padded, by_place, padding="valid", data_format="channels_last")
    return depth_to_space(sums, 2)


def is_sum_of_pictures(kernel) -> bool:
    """Return whether ``down`` adds up scaled pictures for ``kernel``."""
    return math.prod(kernel.shape) <= _PRODUCTS_OF_A_SUM


def _sum_of_pictures(big, kernel):
    size, _, channels, filters = kernel.shape
    weights = ops.reshape(kernel, (size * size, channels, filters))
    return functools.reduce(
        ops.add,
        (
            pixels[..., channel : channel + 1] * weights[tap, channel]
            for tap, pixels in enumerate(_taps(big, size))
            for channel in range(channels)
        ),
    )


def _sum_shifted(columns, blocks: int):
    """Return the sum over d, e of the group of columns (d, e), d rows down and e columns right."""
    _, height, width, _ = columns.shape
    groups = ops.split(columns, blocks**2, axis=-1)
    height, width = height - blocks + 1, width - blocks + 1
    shifts = [(row, column) for row in range(blocks) for column in range(blocks)]
    return functools.reduce(
        ops.add,
        (
            group[:, row : row + height, column : column + width]
            for group, (row, column) in zip(groups, shifts, strict=True)
        ),
    )


def _taps(big, size: int) -> list:
    """Return, for each tap of the kernel, the pixels of ``big`` that it reads: ``(batch, height/2, width/2, …)``."""
    _, height, width, _ = big.shape
    front = max(size - 2, 0) // 2
    padded = pad(big, front, max(size - 2, 0) - front)
    return [
        padded[:, row : row + height : 2, column : column + width : 2] for row in range(size) for column in range(size)
    ]


def kernel_gradient(big, small, size: int):
    """Return the gradient of the kernel, ``(size, size, channels, filters)``, of either pass.

    It gathers whichever side makes the smaller matrix: every tap of ``big``, or every block of ``small``.
    """
    channels, filters = big.shape[-1], small.shape[-1]
    blocks, before, front = geometry(size)
    if size**2 * channels + filters <= 4 * channels + blocks**2 * filters:
        sums = ops.matmul(_planes(big, size), ops.reshape(small, (-1, filters)))
        return ops.reshape(sums, (size, size, channels, filters))
    _, height, width, _ = small.shape
    padded, last = pad(small, blocks - 1 - before, before), blocks - 1
    near = [
        padded[:, last - row : last - row + height, last - column : last - column + width]
        for row in range(blocks)
        for column in range(blocks)
    ]
    sides = (space_to_depth(big, 2), ops.concatenate(near, -1))
    pixels, near = (ops.reshape(side, (-1, side.shape[-1])) for side in sides)
    sums = ops.matmul(ops.transpose(pixels), near)
    sums = ops.transpose(ops.reshape(sums, (2, 2, channels, blocks, blocks, filters)), (3, 0, 4, 1, 2, 5))
    kernel = ops.reshape(sums, (2 * blocks, 2 * blocks, channels, filters))
    return kernel[front : front + size, front : front + size]


def _planes(big, size: int):
    """Return a row for each tap and channel: ``(k² · channels, batch · height/2 · width/2)``.

    Rows, since columns of a few channels would be put together number by number: the gradient of the first layer of
    8 filters took four times as long that way (one core). The pixels are those of the passes' ``_taps``, padded anew:
    with the forward pass's own slices turned, a whole step was a few per cent slower (nine rounds, two cores).
    """
    channels, height, width = big.shape[-1], *big.shape[1:3]
    front = max(size - 2, 0) // 2
    sides = (front, max(size - 2, 0) - front)
    padded = ops.pad(ops.transpose(big, (3, 0, 1, 2)), ((0, 0), (0, 0), sides, sides))
    rows = [
        padded[..., row : row + height : 2, column : column + width : 2]
        for row in range(size)
        for column in range(size)
    ]
    return ops.reshape(ops.concatenate(rows, 0), (size**2 * channels, -1))


def stride_two_down(big, kernel):
    """Return the stride-2 convolution of ``big``, ``(batch, height/2, width/2, filters)``."""
    return with_gradient(_convolve, _down_gradient)(big, kernel)


def _convolve(big, kernel):
    small = down(big, kernel)
    return fusion_barrier(small, kernel) if is_sum_of_pictures(kernel) else small


def _down_gradient(upstream, big, kernel):
    return up(upstream, kernel), kernel_gradient(big, upstream, kernel.shape[0])


def stride_two_up(small, kernel):
    """Return the transposed stride-2 convolution of ``small``, ``(batch, 2·height, 2·width, channels)``."""
    return with_gradient(up, _up_gradient)(small, kernel)


def _up_gradient(upstream, small, kernel):
    return down(upstream, kernel), kernel_gradient(upstream, small, kernel.shape[0])


@keras.saving.register_keras_serializable(package="kerasae")
class StridedConv2D(keras.layers.Conv2D):
    """``keras.layers.Conv2D`` with stride 2 and ``same`` padding, fast on JAX's CPU backend too.

    ``(batch, height, width, channels)`` → ``(batch, ⌈height/2⌉, ⌈width/2⌉, filters)``. Weights, configuration and
    results are those of ``Conv2D(filters, kernel_size, strides=2, padding="same")``, up to rounding; the weights of
    one load into the other. ``kerasae.layers.stride_two`` derives the fast form; where it is no faster (other
    backends, accelerators, many channels) or does not apply (odd sides, other settings), the parent computes.
    """

    def __init__(self, filters, kernel_size=3, *, strides=2, padding="same", data_format="channels_last", **kwargs):
        super().__init__(filters, kernel_size, strides=strides, padding=padding, data_format=data_format, **kwargs)

    def convolution_op(self, inputs, kernel):
        """Return the convolution of ``inputs``, without bias and activation."""
        _, height, width, _ = inputs.shape
        even = height is not None and width is not None and height % 2 == width % 2 == 0
        if even and self.groups == 1 and is_faster(self, kernel.shape):
            return stride_two_down(ops.convert_to_tensor(inputs), ops.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="kerasae")
class StridedConv2DTranspose(keras.layers.Conv2DTranspose):
    """``keras.layers.Conv2DTranspose`` with stride 2 and ``same`` padding, fast on JAX's CPU backend too.

    ``(batch, height, width, channels)`` → ``(batch, 2·height, 2·width, filters)``. Weights, configuration and results
    are those of ``Conv2DTranspose(filters, kernel_size, strides=2, padding="same")``, up to rounding; the weights of
    one load into the other. ``kerasae.layers.stride_two`` derives the fast form; where it is no faster (other
    backends, accelerators, many channels) or does not apply (other settings), the parent computes.
    """

    def __init__(self, filters, kernel_size=3, *, strides=2, padding="same", data_format="channels_last", **kwargs):
        super().__init__(filters, kernel_size, strides=strides, padding=padding, data_format=data_format, **kwargs)

    def call(self, inputs):
        """Return the transposed convolution of ``inputs``, with bias and activation."""
        _, height, width, _ = inputs.shape
        known = height is not None and width is not None and self.output_padding is None
        if not (known and is_faster(self, self.kernel.shape)):
            return super().call(inputs)
        outputs = stride_two_up(ops.convert_to_tensor(inputs), ops.convert_to_tensor(self.kernel))
        if self.use_bias:
            outputs = outputs + ops.convert_to_tensor(self.bias)
        return outputs if self.activation is None else self.activation(outputs)


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
