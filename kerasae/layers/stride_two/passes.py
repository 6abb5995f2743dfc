"""The two passes, each in the form that measured fastest for its shapes."""

import functools
import math

from keras import ops

from kerasae.layers.depth_to_space import depth_to_space
from kerasae.layers.space_to_depth import space_to_depth
from kerasae.layers.stride_two.geometry import block_taps, geometry, pad

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
