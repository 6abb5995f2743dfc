"""The transposed convolution."""

from keras import ops

from kerasae.layers.stride_two.kernel_gradient import kernel_gradient
from kerasae.layers.stride_two.passes import down, up


def stride_two_up(small, kernel):
    """Return the transposed stride-2 convolution of ``small``, ``(batch, 2·height, 2·width, channels)``."""

    @ops.custom_gradient
    def convolve(small, kernel):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return down(upstream, kernel), kernel_gradient(upstream, small, kernel.shape[0])

        return up(small, kernel), gradient

    return convolve(small, kernel)
