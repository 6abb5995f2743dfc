"""The pair of transforms around the hyper-latents of a hyperprior codec."""

import keras
from keras import layers, ops

from kerasae.layers import DepthToSpace, GlorotUniform, SpaceToDepth

# Hyper-latents have a quarter of the latents' rows and columns.
HYPER_STRIDE = 4


@keras.saving.register_keras_serializable(package="kerasae")
class HyperAnalysis(layers.Layer):
    """Latents → hyper-latents: what varies from place to place in how large latents are.

    ::

        y (batch, rows, columns, channels) ─conv 3×3, gelu─halve─conv 3×3, gelu─halve─conv 1×1─▶ z (batch, rows/4,
        columns/4, hyper_channels)

    With ``of_sizes`` it sees |y| (Ballé, Minnen, Singh, Hwang, Johnston 2018); a hyperprior with means needs the signs.
    Halving is space-to-depth by 2. Computed in float32, being small. Takes any number of rows and
    columns that divide by 4.
    """

    def __init__(self, width: int, hyper_channels: int, *, of_sizes: bool, regularizer=None, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.width = width
        self.hyper_channels = hyper_channels
        self.of_sizes = of_sizes
        self.regularizer = regularizer
        self.halving = SpaceToDepth(2, name="halve")
        conv = _conv(regularizer)
        self.convolutions = [conv(width, 3, "first"), conv(width, 3, "second"), conv(hyper_channels, 1, "third")]

    def build(self, input_shape):
        """Make the weights for so many channels."""
        for layer, channels in zip(self.convolutions, (input_shape[-1], 4 * self.width, 4 * self.width), strict=True):
            layer.build((None, None, None, channels))
        self.halving.build((None, None, None, self.width))
        self.built = True

    def call(self, latents):
        """Return hyper-latents, not rounded yet."""
        first, second, third = self.convolutions
        x = ops.abs(latents) if self.of_sizes else latents
        x = self.halving(ops.gelu(first(x)))
        return third(self.halving(ops.gelu(second(x))))

    def compute_output_shape(self, input_shape):
        """Return the shape of the hyper-latents."""
        batch, rows, columns, _ = input_shape
        return batch, rows // HYPER_STRIDE, columns // HYPER_STRIDE, self.hyper_channels


@keras.saving.register_keras_serializable(package="kerasae")
class HyperSynthesis(layers.Layer):
    """Hyper-latents → what is known of each latent before it is read.

    ::

        ẑ (batch, rows/4, columns/4, hyper_channels) ─conv 3×3, relu─conv 1×1, double─conv 3×3, relu─conv 1×1, double
        ─conv 3×3, relu─conv 1×1─▶ (batch, rows, columns, outputs)

    Doubling is depth-to-space by 2. Convolutions, ReLUs and moves of pixels only: coding runs it in integers
    (``codec.integer_synthesis``), since float results differ between machines in their last bits and one such bit is
    enough to lose a file.
    """

    def __init__(self, width: int, outputs: int, *, regularizer=None, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.width = width
        self.outputs = outputs
        self.regularizer = regularizer
        self.doubling = DepthToSpace(2, name="double")
        conv = _conv(regularizer)
        sizes = [(width, 3), (4 * width, 1), (width, 3), (4 * width, 1), (width, 3), (outputs, 1)]
        self.convolutions = [conv(*size, f"conv_{place}") for place, size in enumerate(sizes)]

    def build(self, input_shape):
        """Make the weights for so many channels."""
        for place, layer in enumerate(self.convolutions):
            layer.build((None, None, None, self.width if place else input_shape[-1]))
        self.doubling.build((None, None, None, 4 * self.width))
        self.built = True

    def call(self, hyper_latents):
        """Return ``(batch, rows, columns, outputs)``."""
        x = hyper_latents
        for place, layer in enumerate(self.convolutions[:-1]):
            x = layer(x)
            x = self.doubling(x) if place % 2 else ops.relu(x)
        return self.convolutions[-1](x)

    def weights_in_order(self):
        """Return kernel and bias of each convolution as NumPy float64, in the order they are applied."""
        return [
            tuple(ops.convert_to_numpy(weight).astype("float64") for weight in (layer.kernel, layer.bias))
            for layer in self.convolutions
        ]

    def compute_output_shape(self, input_shape):
        """Return the shape of what is known."""
        batch, rows, columns, _ = input_shape
        return batch, rows * HYPER_STRIDE, columns * HYPER_STRIDE, self.outputs


def _conv(regularizer):
    def conv(width, kernel_size, name):
        penalty = None if regularizer is None else regularizer()
        return layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            kernel_initializer=GlorotUniform(),
            kernel_regularizer=penalty,
            dtype="float32",
            name=name,
        )

    return conv
