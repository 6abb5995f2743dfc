"""Bottlenecks: latents, and what they cost."""

import math

import keras
import numpy as np
from keras import ops

from kerasae.entropy.densities import Density
from kerasae.entropy.numerics import medians
from kerasae.layers import QualityGains, UniformNoise, straight_through_round


class Bottleneck(keras.layers.Layer):
    """Called as ``bottleneck(encoded, training=…)``, it returns ``(latents, rate)``.

    ``training``, Keras' own, decides about noise: in training the latents are the draw that training learns from,
    otherwise those that are coded. The rate is one number per image ``(batch,)``, in nats. In a model of your own the
    mean rate times ``rate_weight`` reaches the loss through ``add_loss``; 0 leaves it to whoever trains, as
    ``kerasae.Autoencoder`` does.
    """

    def __init__(self, *, rate_weight: float = 1.0, **kwargs):
        super().__init__(**kwargs)
        self.rate_weight = float(rate_weight)

    def _charged(self, rate):
        if self.rate_weight:
            self.add_loss(self.rate_weight * ops.mean(rate))
        return rate

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"rate_weight": self.rate_weight}


@keras.saving.register_keras_serializable(package="kerasae")
class IdentityBottleneck(Bottleneck):
    """Pass the latents on; the rate is 0, since nothing in training pays for them.

    Called on latents ``(batch, …)``, it returns ``(latents, rate)`` with rate ``(batch,)``.
    """

    def __init__(self, **kwargs):
        super().__init__(**{"rate_weight": 0.0} | kwargs)
        self.built = True

    def call(self, encoded, training=False):
        """Return ``(latents, 0)``; there is nothing to sample."""
        return encoded, ops.zeros((ops.shape(encoded)[0],), dtype=encoded.dtype)


# Beyond these a float32 exponential overflows or is exactly 0, and the KL with it; trained models stay far inside.
LOG_VARIANCE_RANGE = (-30.0, 20.0)


def kl_divergence(mean, log_variance):
    """Return KL(N(mean, exp(log_variance)) ‖ N(0, 1)) in nats, summed over latents: ``(batch,)``.

    ``mean`` and ``log_variance`` are ``(batch, …)`` of one shape. Closed form: Kingma & Welling 2014, appendix B.
    """
    terms = _twice_the_kl(mean, log_variance)
    return 0.5 * ops.sum(terms, axis=tuple(range(1, len(terms.shape))))


def _twice_the_kl(mean, log_variance):
    mean, log_variance = ops.convert_to_tensor(mean), ops.convert_to_tensor(log_variance)
    return ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance


@keras.saving.register_keras_serializable(package="kerasae")
class GaussianBottleneck(Bottleneck):
    """Reparameterised Gaussian latents: the posterior mean, or a sample of the posterior (Kingma & Welling 2014).

    Called on ``[mean, log_variance]``, both ``(batch, …)``, it returns ``(latents, rate)``: the latents, of that shape
    too, and the rate ``(batch,)``, the KL divergence to N(0, 1) in nats. The log-variance is clamped to
    ``LOG_VARIANCE_RANGE``.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, encoded, training=False):
        """Return ``(latents, rate)``; the latents are the mean, in training one draw of the posterior."""
        mean, log_variance = encoded
        log_variance = ops.clip(log_variance, *LOG_VARIANCE_RANGE)
        rate = self._charged(kl_divergence(mean, log_variance))
        if not training:
            return mean, rate
        return self.draw(encoded, keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.generator)), rate

    def rate_per_latent(self, encoded):
        """Return the KL divergence to N(0, 1) of each latent in nats, ``(batch, …)``; their sum is the rate."""
        mean, log_variance = encoded
        return 0.5 * _twice_the_kl(mean, ops.clip(log_variance, *LOG_VARIANCE_RANGE))

    def draw(self, encoded, epsilon):
        """Return the sample of the posterior that the standard normal numbers ``epsilon`` ``(batch, …)`` pick."""
        mean, log_variance = encoded
        deviation = ops.exp(0.5 * ops.clip(log_variance, *LOG_VARIANCE_RANGE))
        return ops.add(mean, ops.multiply(deviation, epsilon))

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"seed": self.seed}


def quantization_proxy(noise, encoded, steps, centres, *, training: bool, quantization: str):
    """Return the latents that the decoder is given and those that the rate is taken of, both like ``encoded``.

    Outside of training both are ``encoded`` rounded to whole ``steps`` from ``centres``, with the gradient of the
    identity. In training the rate is that of latents with ``noise``, a ``UniformNoise``, over one step; the decoder is
    given the same (``quantization`` of ``noise``) or rounded ones (``mixed``: Minnen & Singh 2020, "Channel-wise
    autoregressive entropy models for learned image compression").
    """
    noisy = noise(encoded / steps) * steps if training else None
    if training and quantization == "noise":
        return noisy, noisy
    rounded = straight_through_round((encoded - centres) / steps) * steps + centres
    return rounded, noisy if training else rounded


def try_moves(targets, moves, centres, steps, zones):
    """Round ``targets`` as a file does: to whole ``steps`` from ``centres``, ``zones`` more of them towards 0.

    ``targets`` and ``moves`` are of one shape, the latter zeros to take a gradient by, in steps. ``zones`` are three
    arrays that broadcast to it: by how many steps the borders of bins lie farther out, that between 0 and ±1, that
    between ±1 and ±2, and all beyond.

    Returns:
        ``(rounded, moved, shown)``: rounded latents, a constant; with the moves; and these in the middles of their
        bins, as the decoder is given them.
    """
    quotients = (targets - centres) / steps
    zero, one, more = zones
    lengths = ops.abs(quotients) - 0.5
    sizes = ops.where(lengths <= one + 1.0, 1.0, ops.maximum(ops.ceil(lengths - more), 2.0))
    sizes = ops.where(lengths <= zero, 0.0, sizes)
    beyond = ops.where(sizes < 1.5, 0.5 * (zero + one), ops.where(sizes < 2.5, 0.5 * (one + more), more))
    signs = ops.where(sizes > 0, ops.sign(quotients), 0.0)
    rounded = ops.stop_gradient(signs * sizes * steps + centres)
    moved = rounded + moves * steps
    return rounded, moved, moved + signs * beyond * steps


# No density starts narrower than this part of a step.
_LEAST_SCALE = 0.05


@keras.saving.register_keras_serializable(package="kerasae")
class FactorizedBottleneck(Bottleneck):
    """Latents with uniform noise in training, rounded latents otherwise, and their rate under ``density``.

        encoded ──┬ training ─ + s · U(−½, ½) ──────────────────────────┐ · correction
        (batch, …,│                                                     ├──▶ latents
         channels)└─ else ── s · round((encoded − m) / s) + m ──────────┤    (batch, …, channels)
                                                                        └─density─▶ rate (batch,) nats

    Ballé, Laparra, Simoncelli 2017, "End-to-end optimized image compression". The rate is in nats, as every
    bottleneck's is: bits · ln 2. ``density`` is one that takes no conditions, a ``FactorizedDensity`` or a
    ``LogisticMixtureDensity``; it is that of the encoded latents, whatever the step.

    With ``quantization`` ``mixed`` the decoder is given rounded latents in training too (``quantization_proxy``): what
    a low quality rounds away is then no noise to it.

    Step s and correction come from ``gains`` at the wanted ``quality``, ``(batch,)`` from 1 to ``gains.levels``;
    without gains both are 1. ``default_quality`` is used where none is given.

    ``centres``, the m above, are 0 until ``centre`` sets them to the medians of the density. A channel that carries
    nothing may rest anywhere: on half a step its rounded latents would cost a bit each, on its median next to none.
    """

    #: Which coder of ``kerasae.codec`` freezes what ``export`` gives.
    coder = "factorized"

    def __init__(
        self,
        density: Density,
        *,
        gains: QualityGains | None = None,
        default_quality: float = 1.0,
        quantization: str = "noise",
        seed=0,
        **kwargs,
    ):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.density = density
        self.gains = gains
        self.default_quality = default_quality
        self.quantization = quantization
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

    def call(self, encoded, training=False, quality=None):
        """Return ``(latents, rate)``, both float32; the latents are rounded, in training noisy or as rounded."""
        encoded = ops.cast(encoded, "float32")
        steps, corrections = self.steps_at(encoded, quality)
        latents, rated = quantization_proxy(
            self.noise, encoded, steps, self.centres, training=training, quantization=self.quantization
        )
        return latents * corrections, self._charged(math.log(2) * self.density.bits(rated, width=steps))

    def steps_at(self, encoded, quality=None):
        """Return steps and corrections of each image, of a shape that broadcasts to that of ``encoded``."""
        if self.gains is None:
            return 1.0, 1.0
        if quality is None:
            quality = ops.full((ops.shape(encoded)[0],), self.default_quality, dtype="float32")
        return self.gains(quality)

    def initialize_from(self, encoded: np.ndarray) -> None:
        """Begin with the density that fits the latents ``(images, …, channels)`` of a few training images."""
        self.density.start(*centres_and_scales(encoded))

    def to_code(self, encoded):
        """Return what a file holds, before it is rounded: the latents."""
        return encoded

    def trial(self, code, moves, quality, dead_zone, log_scales):
        """Return ``(latents, bits, trial)`` of what ``to_code`` gave, moved; see ``try_moves``.

        ``dead_zone`` ``(channels, 3)`` has the zones of each channel; ``log_scales`` say nothing here.
        ``bits`` ``(batch,)`` are those that depend on the moves of others, none here. ``trial`` has ``rounded``, the
        ``means`` that latents were rounded around, ``steps`` and ``scales``, in steps, all of the latents' shape.
        """
        steps, corrections = self.steps_at(code, quality)
        rounded, _, shown = try_moves(code, moves, self.centres, steps, [dead_zone[:, border] for border in range(3)])
        trial = {"rounded": rounded, "means": self.centres, "steps": steps, "scales": 1.0}
        shape = ops.shape(code)
        return shown * corrections, 0.0, {name: ops.broadcast_to(one, shape) for name, one in trial.items()}

    def export(self, qualities) -> dict[str, np.ndarray]:
        """Return what the codec freezes: ``steps`` and ``corrections`` ``(qualities, channels)``, ``medians``."""
        ones = np.ones(self.density.channels)
        both = [(ones, ones) if self.gains is None else self.gains.steps(quality) for quality in qualities]
        steps, corrections = (np.stack(rows) for rows in zip(*both, strict=True))
        return {"steps": steps, "corrections": corrections, "medians": self.density_medians()}

    def centre(self) -> None:
        """Set ``centres`` to the medians of the density as it now is: after training, before rounded latents count."""
        self.centres.assign(self.density_medians())

    def density_medians(self) -> np.ndarray:
        """Return the medians of the density as it now is, ``(channels,)`` float32."""
        return medians(self.density.log_cumulatives, self.density.channels).astype(np.float32)

    def get_config(self):
        """Return what is needed to build the layer again."""
        parts = {name: keras.saving.serialize_keras_object(getattr(self, name)) for name in ("density", "gains")}
        return (
            super().get_config()
            | parts
            | {
                "default_quality": self.default_quality,
                "quantization": self.quantization,
                "seed": self.seed,
            }
        )

    @classmethod
    def from_config(cls, config):
        """Return the layer that ``config`` describes."""
        parts = {name: keras.saving.deserialize_keras_object(config.pop(name)) for name in ("density", "gains")}
        return cls(**parts, **config)


def centres_and_scales(encoded: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return median and standard deviation of each channel, ``(channels,)`` each, the latter not below 0.05."""
    flat = np.asarray(encoded, np.float64).reshape(-1, encoded.shape[-1])
    return np.median(flat, axis=0), np.maximum(flat.std(axis=0), _LEAST_SCALE)
