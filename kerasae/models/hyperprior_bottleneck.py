"""The bottleneck of a hyperprior codec: latents under normal distributions that hyper-latents tell of."""

import math

import keras
import numpy as np
from keras import ops

from kerasae.entropy import Density, FactorizedBottleneck, GaussianDensity, centres_and_scales, relaxed
from kerasae.layers import DepthToSpace, QualityGains, UniformNoise
from kerasae.models.transforms import HYPER_STRIDE, HyperAnalysis, HyperSynthesis

_MOST_LOG_SCALE = 7.0


class HyperpriorBottleneck(keras.layers.Layer):
    """Rounded latents y, each under N(mean, scale²) with scale (and mean) decoded from rounded hyper-latents z.

    ::

        encoded y ──HyperAnalysis──▶ z ──round or noise──▶ ẑ ──density──▶ rate of ẑ
            │                                             │
            │                                       HyperSynthesis
            │                                             ▼
            └──round((y − mean) / s)·s + mean, or noise──▶ ŷ ──N(mean, scale²)──▶ rate of ŷ

    Ballé, Minnen, Singh, Hwang, Johnston 2018, "Variational image compression with a scale hyperprior"; with
    ``with_mean`` Minnen, Ballé, Toderici 2018, "Joint autoregressive and hierarchical priors for learned image
    compression". Steps s and corrections of both come from gains at ``quality``, as in ``FactorizedBottleneck``. The
    rate, ``(batch,)`` nats, is that of both; ``quantization`` as there.
    """

    def __init__(
        self,
        channels: int,
        hyper_width: int,
        density: Density,
        *,
        with_mean: bool,
        levels: int,
        span: float,
        default_quality: float,
        quantization: str,
        seed: int,
        regularizer,
        **kwargs,
    ):
        super().__init__(**kwargs | {"dtype": "float32"})
        self.with_mean = with_mean
        self.default_quality = default_quality
        self.quantization = quantization
        outputs = 2 * channels if with_mean else channels
        self.analysis = HyperAnalysis(
            hyper_width, density.channels, of_sizes=not with_mean, regularizer=regularizer, name="hyper_analysis"
        )
        self.synthesis = HyperSynthesis(hyper_width, outputs, regularizer=regularizer, name="hyper_synthesis")
        self.side = FactorizedBottleneck(
            density,
            gains=QualityGains(levels, density.channels, name="hyper_gains"),
            default_quality=default_quality,
            quantization=quantization,
            seed=seed + 1,
            name="side",
        )
        self.gains = QualityGains(levels, channels, span=span, name="gains")
        self.gaussian = GaussianDensity(name="gaussian")
        self.noise = UniformNoise(seed=seed, dtype="float32", name="noise")
        self.to_pixels = DepthToSpace(HYPER_STRIDE, name="hyper_latents_as_pixels")
        self.analysis.build((None, None, None, channels))
        self.synthesis.build((None, None, None, density.channels))
        self.to_pixels.build((None, None, None, density.channels))
        self.built = True

    def call(self, encoded, sample=False, quality=None):
        """Return ``(latents, rate)``, both float32; the latents are rounded, or with ``sample`` noisy."""
        encoded = ops.cast(encoded, "float32")
        if quality is None:
            quality = ops.full((ops.shape(encoded)[0],), self.default_quality, dtype="float32")
        hyper_latents, side_rate = self.side(self.analysis(encoded), sample=sample, quality=quality)
        scale, mean = self.known(hyper_latents)
        steps, corrections = self.gains(quality)
        latents, rated = relaxed(self.noise, encoded, steps, mean, sample=sample, quantization=self.quantization)
        rate = math.log(2) * self.gaussian.bits(rated, scale, mean, width=steps)
        return latents * corrections, rate + side_rate

    def known(self, hyper_latents):
        """Return scale and mean of each latent, ``(batch, rows, columns, channels)``; a mean of 0 where none is."""
        found = self.synthesis(hyper_latents)
        if not self.with_mean:
            return ops.exp(_bounded(found)), 0.0
        log_scale, mean = ops.split(found, 2, axis=-1)
        return ops.exp(_bounded(log_scale)), mean

    def start_from(self, encoded: np.ndarray) -> None:
        """Begin with scales and means, and a density of hyper-latents, that fit the latents of a few training images.

        ``encoded`` is ``(images, rows, columns, channels)``.
        """
        self.side.start_from(ops.convert_to_numpy(self.analysis(ops.convert_to_tensor(encoded))))
        centres, scales = centres_and_scales(encoded)
        start = np.concatenate([np.log(scales), centres]) if self.with_mean else np.log(scales)
        self.synthesis.convolutions[-1].bias.assign(start.astype(np.float32))

    def to_code(self, encoded):
        """Return latents and hyper-latents as one array, the latter's channels spread over 4×4 blocks of positions."""
        return ops.concatenate([encoded, self.to_pixels(self.analysis(encoded))], axis=-1)

    def centre(self) -> None:
        """Round hyper-latents around the medians of their density from now on."""
        self.side.centre()


def _bounded(log_scale):
    """Return log-scales within what the tables have, so that no step of training can overflow."""
    return ops.clip(log_scale, -_MOST_LOG_SCALE, _MOST_LOG_SCALE)
