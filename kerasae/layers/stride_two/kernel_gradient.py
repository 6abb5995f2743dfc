"""The gradient of the kernel, the same for both passes."""

from keras import ops

from kerasae.layers.space_to_depth import space_to_depth
from kerasae.layers.stride_two.geometry import geometry, pad


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
