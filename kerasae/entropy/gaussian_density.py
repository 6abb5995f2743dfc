"""A normal distribution over the integers, of given scale and mean."""

import math

import keras
import numpy as np
from keras import ops
from scipy import special

from kerasae.entropy.density import Density
from kerasae.entropy.log1mexp import log1mexp
from kerasae.entropy.log_ndtr import log_ndtr
from kerasae.errors import ModelError
from kerasae.layers import lower_bound

_LEAST_RISE = 1e-9


@keras.saving.register_keras_serializable(package="kerasae")
class GaussianDensity(Density):
    """N(mean, scale²) cut into integers; scale, and mean where there is one, come from a hyper-decoder.

    P(y) = Φ((y − mean + ½) / scale) − Φ((y − mean − ½) / scale). Zero mean: Ballé, Minnen, Singh, Hwang, Johnston
    2018, "Variational image compression with a scale hyperprior"; with a mean: Minnen, Ballé, Toderici 2018, "Joint
    autoregressive and hierarchical priors for learned image compression". The conditions ``scale`` and ``mean`` have
    the shape of the latents, or one that broadcasts to it. A scale under ``lowest_scale`` of the width counts
    as that, with a gradient that may still raise it.

    **Tails.** Both ends of the interval are moved to the left of the mean by symmetry, and the mass is taken in the
    log domain: ln P = ln Φ(u) + ln (1 − Φ(l)/Φ(u)) for l < u. It has no weights.
    """

    def __init__(self, *, lowest_scale: float = 0.11, **kwargs):
        super().__init__(**kwargs)
        if lowest_scale <= 0:
            raise ModelError(f"lowest_scale = {lowest_scale} is out of range; it is a standard deviation above 0")
        self.lowest_scale = float(lowest_scale)
        self.built = True

    def element_bits(self, latents, scale, mean=0.0, width=1.0):
        """Return −log₂ P of each element, in the shape of ``latents``."""
        latents, scale, mean, width = (ops.cast(part, "float32") for part in (latents, scale, mean, width))
        # In steps of the quantiser.
        scale = lower_bound(scale / width, self.lowest_scale)
        distance = ops.abs(latents - mean) / width
        upper, lower = log_ndtr((0.5 - distance) / scale), log_ndtr((-0.5 - distance) / scale)
        # Far out float32 may round two neighbours to one; their difference matters little there, but not if it is 0.
        rise = ops.maximum(upper - lower, _LEAST_RISE)
        return (upper + log1mexp(rise)) / -math.log(2)

    def log_cumulatives(self, values, scale, mean=0.0):
        """Return ln F and ln (1 − F) at ``values``, in the shape all three broadcast to; NumPy float64."""
        scale = np.maximum(np.asarray(scale, np.float64), self.lowest_scale)
        places = (np.asarray(values, np.float64) - mean) / scale
        return special.log_ndtr(places), special.log_ndtr(-places)

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"lowest_scale": self.lowest_scale}
