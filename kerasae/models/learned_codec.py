"""``LearnedCodec``: an entropy model of the rounded latents, trained for rate and distortion at once, at every rate."""

import math
from collections.abc import Sequence
from itertools import pairwise
from types import MappingProxyType
from typing import Literal

import keras
import numpy as np
from keras import layers, ops

from kerasae.entropy import FactorizedBottleneck, FactorizedDensity, LogisticMixtureDensity
from kerasae.errors import ModelError
from kerasae.layers import (
    GDN,
    BlockTransform,
    ChannelScale,
    DepthToSpace,
    GlorotUniform,
    QualityGains,
    SpaceToDepth,
    StridedConv2D,
    StridedConv2DTranspose,
    level_shares,
)
from kerasae.metrics import ssim
from kerasae.models.base import Autoencoder, as_intensities, batch_mean, pixels_of
from kerasae.models.hyperprior import HYPER_STRIDE, HyperpriorBottleneck

DENSITIES = {"factorized": FactorizedDensity, "logistic_mixture": LogisticMixtureDensity}
ENTROPY_MODELS = ("factorized", "scale_hyperprior", "hyperprior", "context")
LAMBDAS = (0.0012, 0.002, 0.0034, 0.0056, 0.0094, 0.016, 0.026, 0.044)


@keras.saving.register_keras_serializable(package="kerasae")
class LearnedCodec(Autoencoder):
    """An encoder and a decoder around rounded latents ``(rows, columns, channels)`` and a model of what they cost.

        images ──encoder──▶ y ──round (noise in training)──▶ ŷ ──decoder──▶ reconstructions
                             └──entropy model──▶ bits

    ``entropy`` is ``factorized``, a density per channel (Ballé, Laparra, Simoncelli 2017); ``hyperprior``, normal with
    means and scales that hyper-latents tell (Minnen, Ballé, Toderici 2018, without the autoregressive part);
    ``scale_hyperprior``, the same with means of 0 (Ballé, Minnen, Singh, Hwang, Johnston 2018); ``context``, a
    hyperprior whose means and scales also depend on the latents decoded in earlier ``passes``.

    Minimises ``bits per pixel + λ · distortion`` for all ``lambdas`` at once, one per quality level, rising: each image
    of a batch has a quality of its own, from 1 to ``levels``, and gain vectors say how finely it is rounded there.
    In training, qualities are drawn anew in each step, one in each of as many equal parts of [1, levels] as the batch
    has images; otherwise they are the middles of these parts. Between levels log λ is interpolated, as the gains are.
    ``distortion`` is ``mse``, 255² · MSE, or ``ssim``, 1 − SSIM. An image's loss counts with (λ / λ̄)^−½, λ̄ being the
    geometric mean: bits grow about with √λ, and it is the relative saving that is to be the same at all rates.

    Args:
        quantization: what the decoder is given in training: ``mixed``, rounded latents, or ``noise``.
        density: of the latents' channels, of the hyper-latents' where there are any: ``logistic_mixture``, or
            ``factorized``, the non-parametric one of Ballé et al. 2018.
        hyper_width, hyper_channels: of the hyperprior's layers and hyper-latents, the latter a multiple of 16.
        regularizer: of the kernels of the hyperprior's layers.
    """

    has_entropy_model = True
    extra_terms = ("bits_per_pixel",)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        entropy: Literal["factorized", "scale_hyperprior", "hyperprior", "context"] = "factorized",
        lambdas: Sequence[float] = LAMBDAS,
        distortion: Literal["mse", "ssim"] = "mse",
        quantization: Literal["mixed", "noise"] = "mixed",
        density: Literal["logistic_mixture", "factorized"] = "logistic_mixture",
        hyper_width: int = 64,
        hyper_channels: int = 32,
        passes: Literal[2, 4] = 4,
        context_width: int = 128,
        seed: int = 0,
        regularizer: keras.regularizers.Regularizer | None = None,
        **kwargs,
    ):
        settings = {
            "entropy": entropy,
            "lambdas": _as_numbers(lambdas),
            "distortion": distortion,
            "quantization": quantization,
            "density": density,
            "hyper_width": hyper_width,
            "hyper_channels": hyper_channels,
            "passes": passes,
            "context_width": context_width,
            "seed": seed,
        }
        _check(settings)
        self.settings = MappingProxyType(settings)
        self.regularizer = keras.regularizers.get(regularizer)
        self.entropy = entropy
        self.lambdas = tuple(settings["lambdas"])
        self.rate_distortion = distortion
        # The square root of λ's range: where bits are many, the error goes as the square of the quantizer's step.
        self.span = math.sqrt(self.lambdas[-1] / self.lambdas[0])
        self._log_lambdas = np.log(np.asarray(self.lambdas, "float32"))
        self._is_initialized = False
        self._quality_draws = keras.random.SeedGenerator(seed + 5)
        channels = _latent_channels(encoder)
        super().__init__(encoder, decoder, bottleneck=self._bottleneck(channels), **kwargs)
        if len(self.latent_shape) != 3:
            raise ModelError(
                f"the encoder of LearnedCodec gives latents of shape {self.latent_shape}; they must be (rows, columns, "
                "channels): end it with keras.layers.Reshape((1, 1, n))"
            )
        fixed = [side for side in self.image_shape[:2] if side is not None]
        if entropy != "factorized" and any(side and side % HYPER_STRIDE for side in self.latent_shape[:2]):
            raise ModelError(
                f"a hyperprior halves latents twice; {self.latent_shape[0]}×{self.latent_shape[1]} positions do not "
                f"divide by {HYPER_STRIDE}: give images whose sides are multiples of {self.stride}, not {fixed}"
            )

    def _bottleneck(self, channels: int):
        settings = self.settings
        shared = {
            "default_quality": self.default_quality,
            "quantization": settings["quantization"],
            "seed": settings["seed"],
            "rate_weight": 0.0,
            "name": "bottleneck",
        }
        density = DENSITIES[settings["density"]]
        if self.entropy == "factorized":
            gains = QualityGains(self.levels, channels, span=self.span, name="gains")
            return FactorizedBottleneck(density(channels, initial_scale=1.0, name="density"), gains=gains, **shared)
        return HyperpriorBottleneck(
            channels,
            settings["hyper_width"],
            density(settings["hyper_channels"], initial_scale=1.0, name="density"),
            with_mean=self.entropy != "scale_hyperprior",
            passes=settings["passes"] if self.entropy == "context" else 1,
            context_width=settings["context_width"],
            levels=self.levels,
            span=self.span,
            regularizer=self.regularizer,
            **shared,
        )

    @property
    def levels(self) -> int:
        """Quality levels: a quality is a number from 1, the fewest bits, to ``levels``."""
        return len(self.lambdas)

    @property
    def default_quality(self) -> float:
        """The quality that is used where none is asked for: the middle one."""
        return (self.levels + 1) / 2

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale, the hyper-latents' where there are any."""
        return self._spatial_form()[1] * (1 if self.entropy == "factorized" else HYPER_STRIDE)

    def encode(self, images, quality=None):
        """Return the rounded latents ``(batch, rows, columns, channels)`` at ``quality``, ``(batch,)`` or None."""
        return self.bottleneck(self.encoder(as_intensities(images)), training=False, quality=quality)[0]

    def bits_per_pixel(self, rate, pixels):
        """Return the bottleneck's rates, nats per image, as bits per pixel of images of so many ``pixels``."""
        return rate / (math.log(2) * pixels)

    def objective(self, inputs, targets, weights=None, *, training: bool):
        """Return ``(loss, terms, reconstructions)`` of one batch; see ``Autoencoder.objective``."""
        quality = self._qualities(inputs, weights, training)
        encoded = self.encoder(inputs, training=training)
        latents, rate = self.bottleneck(encoded, training=training, quality=quality)
        reconstructions = ops.cast(self.decoder(latents, training=training), "float32")
        if not training:
            reconstructions = ops.clip(reconstructions, 0.0, 1.0)
        penalty = self.penalty()
        bits = self.bits_per_pixel(rate, pixels_of(inputs))
        distortion, mse = self.distortion(targets, reconstructions, weights)
        log_lambdas = self._log_lambdas_at(quality)
        balance = ops.exp(-0.5 * (log_lambdas - float(self._log_lambdas.mean())))
        loss = batch_mean(balance * (bits + ops.exp(log_lambdas) * distortion), weights) + penalty
        terms = {"loss": loss, "distortion": distortion, "rate": rate, "penalty": penalty, "mse": mse}
        return loss, terms | {"bits_per_pixel": bits}, reconstructions

    def distortion(self, targets, reconstructions, weights=None):
        """Return the distortion that λ weighs, and the mean squared error, both ``(batch,)``."""
        distortion, mse = super().distortion(targets, reconstructions, weights)
        if self._loss is None:
            distortion = 255.0**2 * mse if self.rate_distortion == "mse" else 1.0 - ssim(targets, reconstructions)
        return distortion, mse

    def trial(self, images, code, moves, quality, dead_zone, log_scales, *, decoder: keras.Model | None = None):
        """Return what each image costs as a file has it, and what its latents were rounded to.

        ``error`` ``(batch,)`` is λ · distortion · pixels, ``cost`` adds the bits that depend on ``moves``: what to take
        the gradient of. The rest is that of the bottleneck's ``trial``. ``code`` is what ``bottleneck.to_code`` gave,
        ``images`` are floats in [0, 1]; ``decoder`` takes the place of the model's own, for images of another size.
        """
        latents, bits, trial = self.bottleneck.trial(code, moves, quality, dead_zone, log_scales)
        decoded = ops.clip(ops.cast((decoder or self.decoder)(latents), "float32"), 0.0, 1.0)
        distortion, _ = self.distortion(images, decoded)
        error = ops.exp(self._log_lambdas_at(quality)) * pixels_of(images) * distortion
        return trial | {"error": error, "cost": error + bits}

    def objective_in_words(self) -> str:
        """Return what is minimised, in words and units, without the penalties."""
        lambdas = self.lambdas
        what = {"mse": "255² · mean squared error", "ssim": "(1 − SSIM)"}[self.rate_distortion]
        what = self._loss_in_words(what)
        if len(lambdas) == 1:
            return f"bits per pixel + {lambdas[0]:g} · {what}, mean over the batch"
        return (
            f"bits per pixel + λ · {what}, λ from {lambdas[0]:g} to {lambdas[-1]:g} over {len(lambdas)} quality "
            "levels, each image weighted by λ^−½, mean over the batch"
        )

    def _qualities(self, images, weights, training: bool):
        """Return a quality from 1 to ``levels`` for each image, each within its own part of that range.

        What only fills a batch up, at its end, has no part: the others have the qualities that they would have alone.
        """
        count = ops.shape(images)[0]
        places = ops.full((count,), 0.5, dtype="float32")
        if training:
            places = keras.random.uniform((count,), seed=self._quality_draws)
        parts = ops.cast(count, "float32") if weights is None else ops.sum(weights)
        share = ops.minimum((ops.cast(ops.arange(count), "float32") + places) / parts, 1.0)
        return 1.0 + share * (self.levels - 1)

    def _log_lambdas_at(self, quality):
        shares = level_shares(quality, self.levels)
        return ops.matmul(shares, ops.convert_to_tensor(self._log_lambdas)[:, None])[:, 0]

    def initialize_from(self, images) -> None:
        """Begin with an entropy model that fits the latents of ``images``, uint8 or float in [0, 1]."""
        encoded = self.encoder(as_intensities(images))
        self.bottleneck.initialize_from(ops.convert_to_numpy(ops.cast(encoded, "float32")))
        self._is_initialized = True

    def finalize(self) -> None:
        """Round around the medians of the density from now on."""
        self.bottleneck.centre()

    def fit(self, x=None, y=None, **kwargs):
        """Train as ``keras.Model.fit`` does; a fresh entropy model first fits the latents of a few of the images."""
        if not self._is_initialized and isinstance(x, np.ndarray) and len(x):
            self.initialize_from(x[:64])
        return super().fit(x, y, **kwargs)

    def load_own_variables(self, store):
        """Take weights that were saved; the entropy model is not started anew by a later ``fit``."""
        super().load_own_variables(store)
        self._is_initialized = True

    def get_config(self):
        """Return what is needed to build the model again."""
        own = dict(self.settings) | {"lambdas": list(self.lambdas)}
        return super().get_config() | own | {"regularizer": keras.regularizers.serialize(self.regularizer)}


def _as_numbers(lambdas) -> tuple[float, ...]:
    try:
        return tuple(float(one) for one in lambdas)
    except (TypeError, ValueError):
        raise ModelError(f"lambdas = {lambdas!r} must be a list of numbers, one per quality level") from None


def _check(settings: dict) -> None:
    allowed = {
        "entropy": ENTROPY_MODELS,
        "distortion": ("mse", "ssim"),
        "quantization": ("mixed", "noise"),
        "density": tuple(DENSITIES),
        "passes": (2, 4),
    }
    for name, choices in allowed.items():
        if settings[name] not in choices:
            raise ModelError(f"{name} = {settings[name]!r} is not a choice; allowed: {', '.join(map(str, choices))}")
    lambdas = settings["lambdas"]
    if not lambdas or min(lambdas) <= 0 or any(after <= before for before, after in pairwise(lambdas)):
        raise ModelError(f"lambdas = {list(lambdas)} must be numbers above 0 that rise, one per quality level")
    if settings["hyper_channels"] % 16:
        # The file format lays them out over 4×4 blocks of latent positions.
        raise ModelError(f"hyper_channels = {settings['hyper_channels']} must be a multiple of 16")
    for name in ("hyper_width", "context_width"):
        if settings[name] < 1:
            raise ModelError(f"{name} = {settings[name]} must be at least 1")


def _latent_channels(encoder) -> int:
    shape = getattr(encoder, "output_shape", None)
    if not isinstance(shape, tuple) or len(shape) != 4 or shape[-1] is None:
        raise ModelError(
            f"the encoder of LearnedCodec gives {shape}; it must give one tensor (batch, rows, columns, channels) and "
            "be built: start it with keras.Input((height, width, channels))"
        )
    return shape[-1]


# === Their transforms ===


def gdn_analysis(image_shape, *, widths, latent_channels: int, regularizer) -> keras.Model:
    """Return the encoder: images ``(batch, height, width, colours)`` in [0, 1] → ``(batch, rows, columns, channels)``.

        image ─conv 5×5 ↓2 ─GDN─▶ … ─conv 5×5 ↓2 ─GDN─▶ conv 5×5 ↓2 ─▶ latents

    One stage per entry of ``widths`` and a last one to ``latent_channels``: ``rows`` and ``columns`` are the sides over
    2^(len(widths) + 1). Ballé, Minnen, Singh, Hwang, Johnston 2018, figure 4. ``regularizer`` is that of every
    kernel, or None.
    """
    images = keras.Input(image_shape, name="images")
    x = layers.Rescaling(4.0, offset=-2.0, name="centre")(images)
    for index, width in enumerate(widths):
        x = StridedConv2D(width, 5, **_kernel(regularizer), name=f"down_{index}")(x)
        x = GDN(name=f"gdn_{index}")(x)
    x = StridedConv2D(latent_channels, 5, **_kernel(regularizer), name="latents_conv")(x)
    return keras.Model(images, x, name="encoder")


def gdn_synthesis(latent_shape, *, widths, colours: int, regularizer) -> keras.Model:
    """Return the decoder, the mirror of ``gdn_analysis``; its images are not clipped to [0, 1]."""
    latents = x = keras.Input(latent_shape, name="latents")
    for index, width in reversed(list(enumerate(widths))):
        x = StridedConv2DTranspose(width, 5, **_kernel(regularizer), name=f"up_{index}")(x)
        x = GDN(inverse=True, name=f"igdn_{index}")(x)
    x = StridedConv2DTranspose(colours, 5, **_kernel(regularizer), name="image_conv")(x)
    return keras.Model(latents, layers.Rescaling(0.25, offset=0.5, dtype="float32", name="uncentre")(x), name="decoder")


def _kernel(regularizer):
    return {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer}


# The scale of the DCT beside the network: a quantizer's step of 1 is then about a middle quality.
_SCALE = 1.7


def residual_analysis(
    image_shape, *, stem: int, widths, residual_blocks: int, latent_channels: int, regularizer
) -> keras.Model:
    """Return the encoder: images ``(batch, height, width, colours)`` in [0, 1] → ``(batch, rows, columns, channels)``.

        image ─┬─space to depth by stem─▶ conv 3×3 ─▶ blocks ─[halve ─▶ blocks]…─▶ conv 3×3 ─·0─▶ + ─▶ latents
               └─DCT of blocks of the stride──────────────────────────────────────────────────────┘

    Beside the network stands a linear transform of whole blocks that starts as the discrete cosine transform, while
    the network starts switched off: training begins as a transform codec and ends as what the network makes of it.
    Without it, fine detail at high rates has to wait until the network is precise enough to pass it on.

    A block is x + conv(gelu(conv(x))), ``residual_blocks`` of them a scale; halving is space-to-depth by 2 and a 1×1
    convolution. ``rows`` and ``columns`` are the sides over ``stem`` · 2^(len(widths) − 1). ``regularizer()`` returns a
    new kernel regulariser or None.
    """
    conv = _conv(regularizer)
    images = keras.Input(image_shape, name="images")
    centred = layers.Rescaling(4.0, offset=-2.0, name="centre")(images)
    x = SpaceToDepth(stem, name="stem")(centred)
    x = conv(widths[0], 3, "stem_conv")(x)
    for index, width in enumerate(widths):
        if index:
            x = SpaceToDepth(2, name=f"halve_{index}")(x)
            x = conv(width, 1, f"halve_{index}_conv")(x)
        x = _blocks(conv, x, width, residual_blocks, f"down_{index}")
    x = ChannelScale(name="network_scale")(conv(latent_channels, 3, "latents_conv")(x))
    stride = stem * 2 ** (len(widths) - 1)
    linear = BlockTransform(stride, latent_channels, image_shape[-1], scale=_SCALE, name="linear")(centred)
    return keras.Model(images, layers.Add(name="latents")([linear, x]), name="encoder")


def residual_synthesis(
    latent_shape, *, stem: int, widths, residual_blocks: int, colours: int, regularizer
) -> keras.Model:
    """Return the decoder, the mirror of ``residual_analysis``; its images are not clipped to [0, 1].

    Doubling is a 1×1 convolution and depth-to-space by 2 (sub-pixel convolution, Shi et al. 2016).
    """
    conv = _conv(regularizer)
    latents = keras.Input(latent_shape, name="latents")
    x = conv(widths[-1], 3, "latents_conv")(latents)
    for index, width in reversed(list(enumerate(widths))):
        x = _blocks(conv, x, width, residual_blocks, f"up_{index}")
        if index:
            x = conv(4 * widths[index - 1], 1, f"double_{index}_conv")(x)
            x = DepthToSpace(2, name=f"double_{index}")(x)
    x = conv(stem**2 * colours, 3, "stem_conv")(x)
    x = DepthToSpace(stem, name="image")(ChannelScale(name="network_scale")(x))
    stride = stem * 2 ** (len(widths) - 1)
    linear = BlockTransform(stride, latent_shape[-1], colours, inverse=True, scale=_SCALE, name="linear")(latents)
    x = layers.Add(name="sum")([linear, x])
    return keras.Model(latents, layers.Rescaling(0.25, offset=0.5, dtype="float32", name="uncentre")(x), name="decoder")


def _conv(regularizer):
    def conv(width, kernel_size, name, activation=None):
        return layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            activation=activation,
            kernel_initializer=GlorotUniform(),
            kernel_regularizer=regularizer,
            name=name,
        )

    return conv


def _blocks(conv, x, width, count, name):
    for index in range(count):
        branch = conv(width, 3, f"{name}_{index}_first", "gelu")(x)
        branch = conv(width, 3, f"{name}_{index}_second")(branch)
        x = layers.Add(name=f"{name}_{index}_add")([x, branch])
    return x
