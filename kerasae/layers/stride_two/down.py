"""The strided convolution."""

from kerasae.layers.stride_two.kernel_gradient import kernel_gradient
from kerasae.layers.stride_two.passes import down, is_sum_of_pictures, up
from kerasae.layers.stride_two.unfused import unfused
from kerasae.with_gradient import with_gradient


def stride_two_down(big, kernel):
    """Return the stride-2 convolution of ``big``, ``(batch, height/2, width/2, filters)``."""
    return with_gradient(_convolve, _gradient)(big, kernel)


def _convolve(big, kernel):
    small = down(big, kernel)
    return unfused(small, kernel) if is_sum_of_pictures(kernel) else small


def _gradient(upstream, big, kernel):
    return up(upstream, kernel), kernel_gradient(big, upstream, kernel.shape[0])
