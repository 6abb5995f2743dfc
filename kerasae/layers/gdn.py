"""Generalised divisive normalisation, and bounds on weights."""

import keras
from keras import ops

from kerasae.runtime import with_gradient


def lower_bound(x, bound: float):
    """Return ``max(x, bound)`` of the shape of ``x``, with a gradient that may still lift ``x`` over the bound.

    The gradient of the plain maximum is 0 below the bound, so that what has once slipped under it stays there. Here it
    passes wherever ``x ≥ bound``, and below the bound wherever descent would raise ``x``, that is where it is negative.
    The idea is that of Ballé's implementations of "Variational image compression with a scale hyperprior" (Ballé,
    Minnen, Singh, Hwang, Johnston 2018).
    """

    def bounded(x):
        return ops.maximum(x, ops.cast(bound, x.dtype))

    def gradient(upstream, x):
        passes = ops.logical_or(x >= bound, upstream < 0)
        return ops.where(passes, upstream, ops.zeros_like(upstream))

    # A copy, since ``x`` may be a variable.
    return with_gradient(bounded, gradient)(ops.copy(x))


@keras.saving.register_keras_serializable(package="kerasae")
class ChannelScale(keras.layers.Layer):
    """Multiply each channel by a weight that starts as 0.

    What stands beside the branch then works from the first step, and the branch comes in as it learns to help
    (ReZero, Bachlechner et al. 2021). Input and output: ``(batch, …, channels)``.
    """

    def build(self, input_shape):
        """Make a weight for each channel."""
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, x):
        """Return ``x`` times the weights."""
        return x * self.scale

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape


# Weights are stored as roots, √(value + _PEDESTAL): their squares cannot be negative, and the gradient of a square does
# not vanish where a stored root rests on its bound. 2^-18 is the root of what a value of 0 is stored with.
_ROOT_OF_ZERO = 2.0**-18
_PEDESTAL = _ROOT_OF_ZERO**2
# The least β: keeps the denominator from 0 at x = 0.
_LEAST_BETA = 1e-6


@keras.saving.register_keras_serializable(package="kerasae")
class GDN(keras.layers.Layer):
    """Divide each channel by a pooled energy of all channels at its position, or multiply by it (``inverse``)::

        y[i] = x[i] / √(β[i] + Σ_j γ[i, j] · x[j]²)          inverse: y[i] = x[i] · √(β[i] + Σ_j γ[i, j] · x[j]²)

    Input and output: ``(…, channels)``, channels last, any number of axes before. β ≥ 1e-6 and γ ≥ 0, trained as roots
    under a lower bound that they can come back from. It starts at β = 1 and γ = ``initial_gamma`` · identity: for
    inputs small against 1/√``initial_gamma`` the layer is nearly the identity. Computed in float32 whatever the dtype
    policy, since squares overflow float16 early, and returned in the input's dtype.

    Ballé, Laparra, Simoncelli 2016, "Density modeling of images using a generalized normalization transformation"; with
    ε = 2 and the exponent ½, and its approximate inverse: the same authors 2017, "End-to-end optimized image
    compression". The reparametrisation is theirs in spirit.
    """

    def __init__(self, *, inverse: bool = False, initial_gamma: float = 0.1, **kwargs):
        super().__init__(**kwargs)
        self.inverse = inverse
        self.initial_gamma = float(initial_gamma)

    def build(self, input_shape):
        """Create the roots of β ``(channels,)`` and of γ ``(channels, channels)``, ``[from j, to i]``."""
        channels = input_shape[-1]
        self.beta_root = self._add_root("beta_root", (channels,), lambda shape, dtype: ops.ones(shape, dtype))
        self.gamma_root = self._add_root(
            "gamma_root", (channels, channels), lambda shape, dtype: self.initial_gamma * ops.eye(*shape, dtype=dtype)
        )

    def _add_root(self, name, shape, values):
        def roots(shape, dtype=None):
            return ops.sqrt(values(shape, dtype) + _PEDESTAL)

        return self.add_weight(name=name, shape=shape, initializer=roots, dtype="float32", autocast=False)

    @property
    def beta(self):
        """The additive constants β, ``(channels,)`` float32."""
        return ops.square(lower_bound(self.beta_root, (_LEAST_BETA + _PEDESTAL) ** 0.5)) - _PEDESTAL

    @property
    def gamma(self):
        """The pooling weights γ, ``(channels, channels)`` float32, transposed: ``[from j, to i]``."""
        return ops.square(lower_bound(self.gamma_root, _ROOT_OF_ZERO)) - _PEDESTAL

    def call(self, x):
        """Return the normalised, or with ``inverse`` the denormalised, ``x``."""
        full = ops.cast(x, "float32")
        # One matrix product, not a 1×1 convolution: as fast, and free of what backends do to kernels of 1.
        flat = ops.reshape(ops.square(full), (-1, x.shape[-1]))
        energy = ops.reshape(ops.matmul(flat, self.gamma) + self.beta, ops.shape(x))
        return ops.cast(full * (ops.sqrt(energy) if self.inverse else ops.rsqrt(energy)), x.dtype)

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"inverse": self.inverse, "initial_gamma": self.initial_gamma}
