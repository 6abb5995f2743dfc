"""How much arithmetic a network is."""

import math

import keras


def macs_per_pixel(part: keras.Model, pixels: int) -> float:
    """Return the multiply-accumulates of a functional model per pixel of the image, ``pixels`` in all.

    Counted are the products of convolutions (also transposed) and dense layers, all taps, the border's too; biases and
    activations are not. Models inside models are followed.
    """
    return sum(_macs(layer) for layer in part.layers) / pixels


def _macs(layer) -> int:
    if isinstance(layer, keras.Model):
        return sum(_macs(inner) for inner in layer.layers)
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(layer.kernel.shape) * math.prod(layer.input.shape[1:-1])
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return 0
