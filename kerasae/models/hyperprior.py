"""The hyperprior: hyper-latents tell how latents are distributed."""

import math

import keras
import numpy as np
from keras import layers, ops

from kerasae.entropy import (
    Bottleneck,
    Density,
    FactorizedBottleneck,
    GaussianDensity,
    centres_and_scales,
    quantization_proxy,
)
from kerasae.layers import DepthToSpace, GlorotUniform, QualityGains, SpaceToDepth, UniformNoise

# Hyper-latents have a quarter of the latents' rows and columns.
HYPER_STRIDE = 4


@keras.saving.register_keras_serializable(package="kerasae")
class HyperAnalysis(layers.Layer):
    """Latents → hyper-latents: what varies from place to place in how large latents are.

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

        ẑ (batch, rows/4, columns/4, hyper_channels) ─conv 3×3, relu─conv 1×1, double─conv 3×3, relu─conv 1×1, double
        ─conv 3×3, relu─conv 1×1─▶ (batch, rows, columns, outputs)

    Doubling is depth-to-space by 2. Convolutions, ReLUs and moves of pixels only: coding runs what ``export`` gives in
    integers (``codec.integer_network``), since float results differ between machines in their last bits and one such
    bit is enough to lose a file.
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

    def export(self) -> list[tuple]:
        """Return the layers in the order they are applied, with kernel and bias as NumPy float64."""
        layers: list[tuple] = []
        for place, layer in enumerate(self.convolutions):
            weights = (ops.convert_to_numpy(weight).astype("float64") for weight in (layer.kernel, layer.bias))
            layers += [("convolution", *weights), ("depth_to_space",) if place % 2 else ("relu",)]
        return layers[:-1]

    def compute_output_shape(self, input_shape):
        """Return the shape of what is known."""
        batch, rows, columns, _ = input_shape
        return batch, rows * HYPER_STRIDE, columns * HYPER_STRIDE, self.outputs


def _conv(regularizer):
    def conv(width, kernel_size, name):
        return layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            kernel_initializer=GlorotUniform(),
            kernel_regularizer=regularizer,
            dtype="float32",
            name=name,
        )

    return conv


_MOST_LOG_SCALE = 7.0


class HyperpriorBottleneck(Bottleneck):
    """Rounded latents y, each under N(mean, scale²) with scale (and mean) decoded from rounded hyper-latents z.

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

    coder = "hyperprior"

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
        self.hyper = FactorizedBottleneck(
            density,
            gains=QualityGains(levels, density.channels, name="hyper_gains"),
            default_quality=default_quality,
            quantization=quantization,
            seed=seed + 1,
            rate_weight=0.0,
            name="side",
        )
        self.gains = QualityGains(levels, channels, span=span, name="gains")
        self.gaussian = GaussianDensity(name="gaussian")
        self.noise = UniformNoise(seed=seed, dtype="float32", name="noise")
        self.analysis.build((None, None, None, channels))
        self.synthesis.build((None, None, None, density.channels))
        self.built = True

    def call(self, encoded, training=False, quality=None):
        """Return ``(latents, rate)``, both float32; the latents are rounded, in training noisy or as rounded."""
        encoded = ops.cast(encoded, "float32")
        if quality is None:
            quality = ops.full((ops.shape(encoded)[0],), self.default_quality, dtype="float32")
        hyper_latents, hyper_rate = self.hyper(self.analysis(encoded), training=training, quality=quality)
        scale, mean = self.predict_scales_and_means(hyper_latents)
        steps, corrections = self.gains(quality)
        latents, rated = quantization_proxy(
            self.noise, encoded, steps, mean, training=training, quantization=self.quantization
        )
        rate = math.log(2) * self.gaussian.bits(rated, scale, mean, width=steps)
        return latents * corrections, self._charged(rate + hyper_rate)

    @property
    def side(self):
        """The bottleneck of the hyper-latents, by the name under which files of earlier versions keep its weights."""
        return self.hyper

    def predict_scales_and_means(self, hyper_latents):
        """Return scale and mean of each latent, ``(batch, rows, columns, channels)``; a mean of 0 where none is."""
        found = self.synthesis(hyper_latents)
        if not self.with_mean:
            return ops.exp(_bounded(found)), 0.0
        log_scale, mean = ops.split(found, 2, axis=-1)
        return ops.exp(_bounded(log_scale)), mean

    def initialize_from(self, encoded: np.ndarray) -> None:
        """Begin with scales and means, and a density of hyper-latents, that fit the latents of a few training images.

        ``encoded`` is ``(images, rows, columns, channels)``.
        """
        self.hyper.initialize_from(ops.convert_to_numpy(self.analysis(ops.convert_to_tensor(encoded))))
        centres, scales = centres_and_scales(encoded)
        start = np.concatenate([np.log(scales), centres]) if self.with_mean else np.log(scales)
        self.synthesis.convolutions[-1].bias.assign(start.astype(np.float32))

    def to_code(self, encoded):
        """Return what a file holds, before it is rounded: latents and hyper-latents."""
        return encoded, self.analysis(encoded)

    def export(self, qualities) -> dict:
        """Return what the codec freezes: ``steps`` and ``corrections`` ``(qualities, channels)``, ``hyper``, which is
        the same of the hyper-latents with their ``medians``, and the layers of ``synthesis``.
        """
        steps, corrections = (np.stack(rows) for rows in zip(*map(self.gains.steps, qualities), strict=True))
        hyper, synthesis = self.side.export(qualities), self.synthesis.export()
        return {"steps": steps, "corrections": corrections, "hyper": hyper, "synthesis": synthesis}

    def centre(self) -> None:
        """Round hyper-latents around the medians of their density from now on."""
        self.hyper.centre()


def _bounded(log_scale):
    """Return log-scales within what the tables have, so that no step of training can overflow."""
    return ops.clip(log_scale, -_MOST_LOG_SCALE, _MOST_LOG_SCALE)
