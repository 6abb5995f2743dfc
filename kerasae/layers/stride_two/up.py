"""The transposed convolution."""

from kerasae.layers.stride_two.kernel_gradient import kernel_gradient
from kerasae.layers.stride_two.passes import down, up
from kerasae.with_gradient import with_gradient


def stride_two_up(small, kernel):
    """Return the transposed stride-2 convolution of ``small``, ``(batch, 2·height, 2·width, channels)``."""
    return with_gradient(up, _gradient)(small, kernel)


def _gradient(upstream, small, kernel):
    return down(upstream, kernel), kernel_gradient(upstream, small, kernel.shape[0])
