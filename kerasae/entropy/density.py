"""The contract every density keeps."""

from abc import abstractmethod

import keras
from keras import ops


class Density(keras.layers.Layer):
    """What a rounded or noisy latent costs: −log₂ of the mass of the interval of ``width`` around it.

    ::

        training (any backend, float32)    latents ──bits──▶ (batch,) bits
        freezing (NumPy, float64)          values ──log_cumulatives──▶ support, probabilities ──▶ integer tables

    Latents are ``(batch, …, channels)``: multiples of the quantiser's step, or in training latents with noise that is
    uniform over one step, whose density at ``y`` is that same mass per step (Ballé, Laparra, Simoncelli 2017,
    "End-to-end optimized image compression"). ``width`` is that step, 1 unless said, of a shape that broadcasts to the
    latents': under one density of the latents themselves, every step has its rate.
    Channels and positions are independent given ``conditions``, the parameters that a conditional density takes from
    elsewhere; most densities take none. Computed in float32 whatever the dtype policy, since a bfloat16 cannot tell two
    neighbouring integers above 256 apart. Finite, as is its gradient, for every finite latent of a trained codec's
    size: |y| up to 10⁶.

    Subclasses are final.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})

    @abstractmethod
    def element_bits(self, latents, *conditions, width=1.0):
        """Return the cost of each element in bits, in the shape of ``latents``."""

    def start(self, centres, scales) -> None:
        """Begin anew near latents of these centres and standard deviations; nothing, for a density without weights."""

    @abstractmethod
    def log_cumulatives(self, values, *conditions):
        """Return ln F and ln (1 − F) of the cumulative F at ``values``, both in their shape; NumPy float64 throughout.

        ``values`` is ``(…, channels)``, or without channels where the density has none of its own. Reads the weights
        once and calls no backend after that: equal weights give equal numbers whatever trained them.
        """

    def bits(self, latents, *conditions, width=1.0):
        """Return the cost of each image's latents in bits, ``(batch,)``."""
        bits = self.element_bits(latents, *conditions, width=width)
        return ops.sum(bits, axis=tuple(range(1, len(bits.shape))))

    def call(self, latents, *conditions, width=1.0):
        """Return ``bits(latents)``: a density in a functional model is its rate."""
        return self.bits(latents, *conditions, width=width)
