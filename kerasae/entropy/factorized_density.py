"""A learned cumulative per channel, of no particular shape."""

import math
from itertools import pairwise

import keras
import numpy as np
from keras import ops

from kerasae.entropy.channel_weights import add_channel_weight, as_float64, check_channels
from kerasae.entropy.density import Density
from kerasae.entropy.log1mexp import log1mexp
from kerasae.layers import lower_bound

# The cumulative's logits rise by this at least from one half-integer to the next: no probability is exactly 0.
_LEAST_RISE = 1e-9


@keras.saving.register_keras_serializable(package="kerasae")
class FactorizedDensity(Density):
    """The non-parametric factorised density: each channel's cumulative is a small monotone network of its own.

    Ballé, Minnen, Singh, Hwang, Johnston 2018, "Variational image compression with a scale hyperprior", appendix 6.1.
    With the paper's H = softplus(``matrix``) > 0, b = ``bias``, a = tanh(``factor``) > −1 and K = len(filters) + 1::

        F = f_K ∘ … ∘ f_1      f_k(x) = g_k(H_k x + b_k)      g_k(x) = x + a_k ⊙ tanh(x)      g_K = sigmoid

    **Tails.** The mass of an interval is not the difference of two sigmoids but comes, in the log domain, from the
    logits ``l`` at its lower end and their rise ``r`` to its upper end::

        σ(l + r) − σ(l) = σ(l + r) · σ(−l) · (1 − e^−r)

    and ``r`` goes through the network beside ``l``, starting from the width, instead of being the difference of two
    large numbers. So a float32 still knows bits and gradient 10⁴ from the middle.

    The start is near a logistic density of scale ``initial_scale`` around 0, the same for all channels and on all
    backends: biases are spread evenly over [−½, ½] within a layer rather than drawn.
    """

    def __init__(self, channels: int, *, filters=(3, 3, 3), initial_scale: float = 10.0, **kwargs):
        super().__init__(**kwargs)
        self.channels = channels
        self.filters = tuple(filters)
        self.initial_scale = float(initial_scale)
        self.matrices, self.biases, self.factors = [], [], []
        sizes = (1, *self.filters, 1)
        layers = len(sizes) - 1
        for place, (inputs, outputs) in enumerate(pairwise(sizes)):
            start = _softplus_inverse(_slope(self.initial_scale, layers, outputs))
            self.matrices.append(add_channel_weight(self, f"matrix_{place}", (channels, outputs, inputs), start))
            self.biases.append(add_channel_weight(self, f"bias_{place}", (channels, outputs, 1), _spread(outputs)))
            if place < len(self.filters):
                self.factors.append(add_channel_weight(self, f"factor_{place}", (channels, outputs, 1), 0.0))
        self.built = True

    def start(self, centres, scales) -> None:
        """Begin anew around ``centres``, with standard deviations ``scales``, both ``(channels,)``."""
        # A logistic distribution of scale s has the standard deviation π s / √3.
        wanted = np.asarray(scales, np.float64)[:, None, None] * math.sqrt(3) / math.pi
        layers = len(self.matrices)
        for matrix in self.matrices:
            start = _softplus_inverse(_slope(wanted, layers, matrix.shape[1]))
            matrix.assign(np.broadcast_to(start, matrix.shape).astype(np.float32))
        for factor in self.factors:
            factor.assign(np.zeros(factor.shape, np.float32))
        # The first bias moves the whole by the centre; the others keep their spread.
        first, middle = self.biases[0], np.asarray(centres, np.float64)[:, None, None]
        start = _spread(first.shape[1]) - _slope(wanted, layers, first.shape[1]) * middle
        first.assign(start.astype(np.float32))

    def element_bits(self, latents, width=1.0):
        """Return −log₂ (F(y + w/2) − F(y − w/2)) of each element, in the shape of ``latents`` ``(batch, …, channels)``.

        w is ``width``, 1 unless said.
        """
        latents = ops.cast(latents, "float32")
        check_channels(self, latents.shape)
        width = ops.cast(width, "float32")
        flat = self._by_channel(latents - 0.5 * width)
        # One number where the width is one: the network is then run on a single rise a channel.
        rise = self._by_channel(ops.broadcast_to(width, ops.shape(latents))) if len(width.shape) else width
        logits, rise = self._logits_and_rise(flat, rise * ops.ones_like(flat[..., :1]))
        rise = lower_bound(rise, _LEAST_RISE)
        nats = ops.softplus(-(logits + rise)) + ops.softplus(logits) - log1mexp(rise)
        return ops.reshape(ops.transpose(nats[:, 0, :]), ops.shape(latents)) / math.log(2)

    def _by_channel(self, elements):
        return ops.transpose(ops.reshape(elements, (-1, self.channels)))[:, None, :]

    def _logits_and_rise(self, x, rise):
        """Return the logits of F at ``x`` ``(channels, 1, elements)`` and what they rise by up to ``x + rise``."""
        for place, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            slopes = ops.softplus(matrix)
            x, rise = ops.matmul(slopes, x) + bias, ops.matmul(slopes, rise)
            if place < len(self.factors):
                factor, bent = ops.tanh(self.factors[place]), ops.tanh(x)
                x, rise = x + factor * bent, rise + factor * (ops.tanh(x + rise) - bent)
        return x, rise

    def cumulative_logits(self, values):
        """Return ln (F / (1 − F)) at ``values`` ``(…, channels)``, in their shape; NumPy float64 throughout."""
        values = np.asarray(values, np.float64)
        check_channels(self, values.shape)
        x = values.reshape(-1, self.channels).T[:, None, :]
        for place, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = np.logaddexp(0.0, as_float64(matrix)) @ x + as_float64(bias)
            if place < len(self.factors):
                x = x + np.tanh(as_float64(self.factors[place])) * np.tanh(x)
        return x[:, 0, :].T.reshape(values.shape)

    def log_cumulatives(self, values):
        """Return ln F and ln (1 − F) at ``values`` ``(…, channels)``, in their shape; NumPy float64."""
        logits = self.cumulative_logits(values)
        return -np.logaddexp(0.0, -logits), -np.logaddexp(0.0, logits)

    def get_config(self):
        """Return what is needed to build the layer again."""
        own = {"channels": self.channels, "filters": list(self.filters), "initial_scale": self.initial_scale}
        return super().get_config() | own


def _slope(scale, layers: int, outputs: int):
    """Return the entries of a matrix of so many outputs: ``layers`` such matrices divide by ``scale``."""
    return scale ** (-1 / layers) / outputs


def _softplus_inverse(x):
    return np.log(np.expm1(x))


def _spread(outputs: int) -> np.ndarray:
    return np.linspace(-0.5, 0.5, outputs)[:, None] if outputs > 1 else np.zeros((1, 1))
