"""Densities of latents: factorised, a mixture of logistics, Gaussian."""

import math
from abc import abstractmethod
from itertools import pairwise

import keras
import numpy as np
from keras import ops
from scipy import special
from scipy.special import logsumexp

from kerasae.entropy.numerics import log1mexp, log_ndtr
from kerasae.errors import ModelError
from kerasae.layers import lower_bound


class Density(keras.layers.Layer):
    """What a rounded or noisy latent costs: −log₂ of the mass of the interval of ``width`` around it.

        training (any backend, float32)    latents ──bits──▶ (batch,) bits
        freezing (NumPy, float64)          values ──log_cumulatives──▶ support, probabilities ──▶ integer tables

    Latents are ``(batch, …, channels)``: multiples of the quantizer's step, or in training latents with noise that is
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


def add_channel_weight(layer, name: str, shape: tuple[int, ...], start):
    """Return a new trainable float32 weight of ``layer`` that starts as ``start`` broadcast to ``shape``.

    Drawn nowhere and rounded nowhere: the start is the same on every backend, and the value stays float32 inside a
    model of mixed precision.
    """

    def initial(shape, dtype=None):
        return ops.convert_to_tensor(np.broadcast_to(start, shape).astype("float32"))

    return layer.add_weight(name=name, shape=shape, initializer=initial, dtype="float32", autocast=False)


def as_float64(weight) -> np.ndarray:
    """Return the value of ``weight`` as NumPy float64."""
    return ops.convert_to_numpy(weight).astype(np.float64)


def check_channels(layer, shape) -> None:
    """Raise ``ModelError`` where the last axis of ``shape`` is not the ``channels`` that ``layer`` was made for."""
    if shape[-1] != layer.channels:
        raise ModelError(
            f"{layer.name} was made for latents of {layer.channels} channels on the last axis; "
            f"got shape {tuple(shape)}; make the density with channels={shape[-1]}"
        )


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


# Narrower components are all but certain of their integer (to 10⁻²¹): nothing is gained by going on towards 0.
_LEAST_LOG_SCALE = math.log(0.01)


@keras.saving.register_keras_serializable(package="kerasae")
class LogisticMixtureDensity(Density):
    """A weighted sum of ``components`` logistic distributions per channel, cut into integers.

    Salimans, Karpathy, Chen, Kingma 2017, "PixelCNN++: improving the PixelCNN with discretized logistic mixture
    likelihood and other modifications", who put it on pixels. With w = softmax(``logits``), m = ``means`` and
    s = exp(``log_scales``) ≥ 0.01, each ``(channels, components)``::

        F(x) = Σ_k w_k · σ((x − m_k) / s_k)

    The same interface as ``FactorizedDensity``, and about half its time on a CPU.

    **Tails.** The mass of one component comes in the log domain from its logit ``l`` at the lower end and the rise
    r = w/s to the upper end, σ(l + r) − σ(l) = σ(l + r) · σ(−l) · (1 − e^−r), and components are added by logsumexp.

    The start is the same for all channels and on all backends: equal weights, means spread evenly over ±½
    ``initial_scale``, scales in equal ratios from half of it to twice. Starts that are wider, or of one scale, were
    seen to leave two humps of a channel to one component for good.
    """

    def __init__(self, channels: int, *, components: int = 3, initial_scale: float = 3.0, **kwargs):
        super().__init__(**kwargs)
        if components < 1:
            raise ModelError(f"a mixture of {components} logistics; it needs 1 component or more")
        self.channels = channels
        self.components = components
        self.initial_scale = float(initial_scale)
        means, log_scales = _spread_out(0.0, self.initial_scale, components)
        shape = (channels, components)
        self.logits = add_channel_weight(self, "logits", shape, 0.0)
        self.means = add_channel_weight(self, "means", shape, means)
        self.log_scales = add_channel_weight(self, "log_scales", shape, log_scales)
        self.built = True

    def start(self, centres, scales) -> None:
        """Begin anew around ``centres``, with standard deviations ``scales``, both ``(channels,)``."""
        # A logistic distribution of scale s has the standard deviation π s / √3.
        scales = np.asarray(scales, np.float64)[:, None] * math.sqrt(3) / math.pi
        self.logits.assign(np.zeros((self.channels, self.components), np.float32))
        means, log_scales = _spread_out(np.asarray(centres)[:, None], scales, self.components)
        self.means.assign(means.astype(np.float32))
        self.log_scales.assign(log_scales.astype(np.float32))

    def element_bits(self, latents, width=1.0):
        """Return −log₂ (F(y + w/2) − F(y − w/2)) of each element, in the shape of ``latents`` ``(batch, …, channels)``.

        w is ``width``, 1 unless said.
        """
        latents, width = ops.cast(latents, "float32"), ops.cast(width, "float32")
        check_channels(self, latents.shape)
        steepness = ops.exp(-lower_bound(self.log_scales, _LEAST_LOG_SCALE))
        # What does not depend on the latents is computed once per channel, or once per channel and width.
        rise = steepness * (width[..., None] if len(width.shape) else width)
        weights = ops.log_softmax(self.logits, axis=-1) + log1mexp(rise)
        lower = ((latents - 0.5 * width)[..., None] - self.means) * steepness
        masses = weights - ops.softplus(-(lower + rise)) - ops.softplus(lower)
        return ops.logsumexp(masses, axis=-1) / -math.log(2)

    def log_cumulatives(self, values):
        """Return ln F and ln (1 − F) at ``values`` ``(…, channels)``, in their shape; NumPy float64."""
        values = np.asarray(values, np.float64)
        check_channels(self, values.shape)
        logits, means, log_scales = (as_float64(weight) for weight in (self.logits, self.means, self.log_scales))
        weights = logits - logsumexp(logits, axis=-1, keepdims=True)
        places = (values[..., None] - means) / np.exp(np.maximum(log_scales, _LEAST_LOG_SCALE))
        below, above = (logsumexp(weights - np.logaddexp(0.0, side), axis=-1) for side in (-places, places))
        return below, above

    def get_config(self):
        """Return what is needed to build the layer again."""
        own = {"channels": self.channels, "components": self.components, "initial_scale": self.initial_scale}
        return super().get_config() | own


def _spread_out(centre, scale, components: int) -> tuple[np.ndarray, np.ndarray]:
    """Return means and log-scales of components that begin around ``centre`` with about ``scale``."""
    spread = np.linspace(-1.0, 1.0, components) if components > 1 else np.zeros(1)
    return centre + 0.5 * scale * spread, np.log(scale) + math.log(2) * spread


_LEAST_GAUSSIAN_RISE = 1e-9


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
        # In steps of the quantizer.
        scale = lower_bound(scale / width, self.lowest_scale)
        distance = ops.abs(latents - mean) / width
        upper, lower = log_ndtr((0.5 - distance) / scale), log_ndtr((-0.5 - distance) / scale)
        # Far out float32 may round two neighbours to one; their difference matters little there, but not if it is 0.
        rise = ops.maximum(upper - lower, _LEAST_GAUSSIAN_RISE)
        return (upper + log1mexp(rise)) / -math.log(2)

    def log_cumulatives(self, values, scale, mean=0.0):
        """Return ln F and ln (1 − F) at ``values``, in the shape all three broadcast to; NumPy float64."""
        scale = np.maximum(np.asarray(scale, np.float64), self.lowest_scale)
        places = (np.asarray(values, np.float64) - mean) / scale
        return special.log_ndtr(places), special.log_ndtr(-places)

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"lowest_scale": self.lowest_scale}
