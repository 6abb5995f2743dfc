"""A transposed convolution that doubles height and width."""

import keras
from keras import ops

from kerasae.layers.stride_two import is_faster, stride_two_up


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
