"""A convolution that halves height and width."""

import keras
from keras import ops

from kerasae.layers.stride_two import is_faster, stride_two_down


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
