"""The bottleneck of a factorised-prior codec: rounded latents, and what a density says they cost."""

import math

import keras
import numpy as np
from keras import ops

from kerasae.entropy.density import Density
from kerasae.entropy.medians import medians
from kerasae.layers import UniformNoise, straight_through_round


@keras.saving.register_keras_serializable(package="kerasae")
class FactorizedBottleneck(keras.layers.Layer):
    """Latents with uniform noise in training, rounded latents otherwise, and their rate under ``density``.

    ::

        encoded ──┬─ sample ── + U(−½, ½) ──────────────────┐
        (batch, …,│                                         ├──▶ latents ──density──▶ rate
         channels)└─ else ── round(encoded − m) + m ────────┘    (batch, …, channels)  (batch,) nats

    Ballé, Laparra, Simoncelli 2017, "End-to-end optimized image compression". The rate is in nats, as every
    bottleneck's is: bits · ln 2. ``density`` is one that takes no conditions, a ``FactorizedDensity`` or a
    ``LogisticMixtureDensity``.

    ``centres``, the m above, are 0 until ``centre`` sets them to the medians of the density. A channel that carries
    nothing may rest anywhere: on ½ its rounded latents would cost a bit each, on its median they cost next to none.
    """

    def __init__(self, density: Density, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.density = density
        self.seed = seed
        self.noise = UniformNoise(seed=seed, dtype="float32", name="noise")
        self.centres = self.add_weight(
            name="centres",
            shape=(density.channels,),
            initializer="zeros",
            dtype="float32",
            trainable=False,
            autocast=False,
        )
        self.built = True

    def call(self, encoded, sample=False):
        """Return ``(latents, rate)``, both float32; the latents are rounded, or with ``sample`` noisy."""
        encoded = ops.cast(encoded, "float32")
        latents = self.noise(encoded) if sample else self.round(encoded)
        return latents, math.log(2) * self.density.bits(latents)

    def round(self, encoded):
        """Return ``encoded`` rounded to whole steps from ``centres``, with the gradient of the identity."""
        return straight_through_round(encoded - self.centres) + self.centres

    def centre(self) -> None:
        """Set ``centres`` to the medians of the density as it now is: after training, before rounded latents count."""
        self.centres.assign(medians(self.density.log_cumulatives, self.density.channels).astype(np.float32))

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"density": keras.saving.serialize_keras_object(self.density), "seed": self.seed}

    @classmethod
    def from_config(cls, config):
        """Return the layer that ``config`` describes."""
        return cls(keras.saving.deserialize_keras_object(config.pop("density")), **config)
