"""The strided convolution."""

from keras import ops

from kerasae.layers.stride_two.kernel_gradient import kernel_gradient
from kerasae.layers.stride_two.passes import down, is_sum_of_pictures, up
from kerasae.layers.stride_two.unfused import unfused


def stride_two_down(big, kernel):
    """Return the stride-2 convolution of ``big``, ``(batch, height/2, width/2, filters)``."""

    @ops.custom_gradient
    def convolve(big, kernel):
        def gradient(*args, upstream=None):
            upstream = args[0] if upstream is None else upstream
            return up(upstream, kernel), kernel_gradient(big, upstream, kernel.shape[0])

        small = down(big, kernel)
        return (unfused(small, kernel) if is_sum_of_pictures(kernel) else small), gradient

    return convolve(big, kernel)
