"""Stride-2 convolution, its transpose and their gradients without dilation, for XLA on the CPU.

XLA's CPU convolutions are slow where a convolution is dilated: in the transposed pass, and in both gradients of a
strided convolution; few channels make it worse. Here the two passes are written as one another's gradient, each in the
form that measured fastest, so that nothing is left for automatic differentiation to dilate.

**Geometry.** ``same`` padding, as TensorFlow defines it, puts ``p = max(k − 2, 0) // 2`` pixels in front of an even
side; tap ``t`` of a kernel of ``k`` thus reads, in each axis::

    down:  y[i] = Σ_t w[t] · x[2i + t − p]          up (transpose):  x[2i + t − p] += w[t] · y[i]

Cut the pixels into blocks of two, ``x[2m + r] = X[m, r]``, and put ``f = p mod 2`` zeros in front of the kernel, and
behind it as many as make its length even, ``2K``; with ``w[2d + r − f] = W[d, r]`` and ``b = ⌈p / 2⌉`` the same sums
run over whole blocks, with stride 1::

    down:  y[i] = Σ_d Σ_r W[d, r] · X[i + d − b, r]         up:  X[m, r] = Σ_d W[d, r] · y[m − d + b]

    kernel gradient of both:  W[d, r] = Σ_m X[m, r] · y[m − d + b]

For ``k = 3``: ``p = b = f = 0``, ``K = 2``: ``y[i] = w0 x[2i] + w1 x[2i+1] + w2 x[2i+2]`` reads blocks ``i`` and
``i + 1``.

Below, ``big`` is ``(batch, height, width, channels)`` with even sides, ``small``
``(batch, height/2, width/2, filters)`` and a kernel ``(k, k, channels, filters)``: what Keras stores for a ``Conv2D``
from ``big`` to ``small`` and for a ``Conv2DTranspose`` from ``small`` to ``big``.
"""

import functools

from keras import ops

from kerasae.layers.depth_to_space import depth_to_space
from kerasae.layers.space_to_depth import space_to_depth
from kerasae.runtime import xla_on_cpu

# A convolution of at most this many products per output pixel is faster as a sum of scaled pictures than as a
# convolution: 1 → 8 channels takes a fifth of the time, 3 → 32 channels no less.
_PRODUCTS_OF_A_SUM = 256
# With more channels than this on both sides, XLA's own forms are as fast, and need less memory.
_FEW_CHANNELS = 16
# Where all taps of all outputs make up to so many numbers a block (64 bytes), one matrix product with the pixels first
# and sums of its shifted columns after take a third to a half of the time of a convolution; with more, several times.
_FEW_COLUMNS = 16


def is_faster(layer, kernel_shape) -> bool:
    """Return whether ``layer``, a convolution or its transpose, should compute with the functions of this file.

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


def stride_two_down(big, kernel):
    """Return the stride-2 convolution of ``big``, ``(batch, height/2, width/2, filters)``."""

    @ops.custom_gradient
    def convolve(big, kernel):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return _up(upstream, kernel), _kernel_gradient(big, upstream, kernel.shape[0])

        return _down(big, kernel), gradient

    return convolve(big, kernel)


def stride_two_up(small, kernel):
    """Return the transposed stride-2 convolution of ``small``, ``(batch, 2·height, 2·width, channels)``."""

    @ops.custom_gradient
    def convolve(small, kernel):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return _down(upstream, kernel), _kernel_gradient(upstream, small, kernel.shape[0])

        return _up(small, kernel), gradient

    return convolve(small, kernel)


def _geometry(size: int) -> tuple[int, int, int]:
    """Return K, b and f of the module's docstring."""
    padding = max(size - 2, 0) // 2
    before = (padding + 1) // 2
    front = padding % 2
    return (front + size + 1) // 2, before, front


def _down(big, kernel):
    size, _, channels, filters = kernel.shape
    blocks, before, _ = _geometry(size)
    if size * size * channels * filters <= _PRODUCTS_OF_A_SUM:
        return _sum_of_pictures(big, kernel)
    if blocks**2 * filters > _FEW_COLUMNS:
        return ops.conv(big, kernel, strides=2, padding="same", data_format="channels_last")
    taps = ops.transpose(_block_taps(kernel), (1, 3, 4, 0, 2, 5))
    columns = ops.matmul(space_to_depth(big, 2), ops.reshape(taps, (4 * channels, -1)))
    return _sum_shifted(_pad(columns, before, blocks - 1 - before), blocks)


def _up(small, kernel):
    size, _, channels, filters = kernel.shape
    blocks, before, _ = _geometry(size)
    taps = ops.flip(_block_taps(kernel), axis=(0, 2))
    padded = _pad(small, blocks - 1 - before, before)
    if 4 * blocks**2 * channels <= _FEW_COLUMNS:
        by_filter = ops.reshape(ops.transpose(taps, (5, 0, 2, 1, 3, 4)), (filters, -1))
        sums = _sum_shifted(ops.matmul(padded, by_filter), blocks)
    else:
        by_place = ops.reshape(ops.transpose(taps, (0, 2, 5, 1, 3, 4)), (blocks, blocks, filters, 4 * channels))
        sums = ops.conv(padded, by_place, padding="valid", data_format="channels_last")
    return depth_to_space(sums, 2)


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


def _block_taps(kernel):
    """Return W of the module's docstring in both axes: ``(K, 2, K, 2, channels, filters)``."""
    size, _, channels, filters = kernel.shape
    blocks, _, front = _geometry(size)
    sides = (front, 2 * blocks - front - size)
    return ops.reshape(ops.pad(kernel, (sides, sides, (0, 0), (0, 0))), (blocks, 2, blocks, 2, channels, filters))


def _sum_shifted(columns, blocks: int):
    """Return the sum over d, e of the group of columns (d, e), d rows down and e columns right."""
    _, height, width, _ = columns.shape
    groups = ops.split(columns, blocks**2, axis=-1)
    height, width = height - blocks + 1, width - blocks + 1
    shifts = [(down, right) for down in range(blocks) for right in range(blocks)]
    return functools.reduce(
        ops.add,
        (
            group[:, down : down + height, right : right + width]
            for group, (down, right) in zip(groups, shifts, strict=True)
        ),
    )


def _kernel_gradient(big, small, size: int):
    """Gather whichever side makes the smaller matrix: every tap of ``big``, or every block of ``small``."""
    channels, filters = big.shape[-1], small.shape[-1]
    blocks, before, front = _geometry(size)
    if size**2 * channels + filters <= 4 * channels + blocks**2 * filters:
        return ops.reshape(_correlate(ops.concatenate(_taps(big, size), -1), small), (size, size, channels, filters))
    _, height, width, _ = small.shape
    padded, last = _pad(small, blocks - 1 - before, before), blocks - 1
    near = [
        padded[:, last - row : last - row + height, last - column : last - column + width]
        for row in range(blocks)
        for column in range(blocks)
    ]
    sums = _correlate(space_to_depth(big, 2), ops.concatenate(near, -1))
    sums = ops.transpose(ops.reshape(sums, (2, 2, channels, blocks, blocks, filters)), (3, 0, 4, 1, 2, 5))
    kernel = ops.reshape(sums, (2 * blocks, 2 * blocks, channels, filters))
    return kernel[front : front + size, front : front + size]


def _taps(big, size: int) -> list:
    """Return, for each tap of the kernel, the pixels of ``big`` that it reads: ``(batch, height/2, width/2, …)``."""
    _, height, width, _ = big.shape
    front = max(size - 2, 0) // 2
    padded = _pad(big, front, max(size - 2, 0) - front)
    return [
        padded[:, row : row + height : 2, column : column + width : 2] for row in range(size) for column in range(size)
    ]


def _pad(images, before: int, after: int):
    return ops.pad(images, ((0, 0), (before, after), (before, after), (0, 0))) if before or after else images


def _correlate(left, right):
    flat = [ops.reshape(side, (-1, side.shape[-1])) for side in (left, right)]
    return ops.matmul(ops.transpose(flat[0]), flat[1])
