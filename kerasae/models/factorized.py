"""Learned codecs: what they share, and the one whose latents are independent."""

import math
from functools import partial

import keras
from keras import ops

from kerasae.entropy import FactorizedBottleneck, FactorizedDensity, LogisticMixtureDensity
from kerasae.errors import ModelError
from kerasae.layers import QualityGains
from kerasae.models.base import Autoencoder
from kerasae.models.transforms import gdn_analysis, gdn_synthesis, residual_analysis, residual_synthesis

DENSITIES = {"factorized": FactorizedDensity, "logistic_mixture": LogisticMixtureDensity}


class LearnedCodec(Autoencoder):
    """A autoencoder whose bottleneck has an entropy model, and with it a rate in bits.

    ``levels`` quality levels are trained together; ``quality`` is a number from 1, the fewest bits, to ``levels``.
    ``span`` is the ratio of the quantizer's steps at the two ends that training starts from.
    ``quantization`` is what the decoder is given in training: ``noise``, or ``mixed``, rounded latents.
    ``transform`` is ``residual`` (sizes ``stem``, ``widths``, ``residual_blocks``) or ``gdn`` (``widths``); ``density``
    is ``logistic_mixture`` or ``factorized``.
    """

    takes_any_size = True
    has_entropy_model = True

    def __init__(
        self,
        *,
        image_size=128,
        channels=1,
        transform="residual",
        stem=4,
        widths=(32, 64, 128),
        residual_blocks=1,
        latent_channels=64,
        density="logistic_mixture",
        levels=8,
        span=1.0,
        quantization="mixed",
        seed=0,
        l1=0.0,
        l2=0.0,
        name=None,
        **kwargs,
    ):
        super().__init__(image_size=image_size, channels=channels, seed=seed, l1=l1, l2=l2, name=name, **kwargs)
        if transform not in ("residual", "gdn") or density not in DENSITIES:
            raise ModelError(
                f"transform = {transform!r} and density = {density!r}; a transform is 'residual' or 'gdn', a density "
                f"one of {', '.join(DENSITIES)}"
            )
        self.transform = transform
        self.stem = stem
        self.widths = tuple(widths)
        self.residual_blocks = residual_blocks
        self.latent_channels = latent_channels
        self.density = density
        self.levels = levels
        self.span = float(span)
        self.quantization = quantization
        shared = {"widths": self.widths, "regularizer": self.kernel_regularizer}
        if transform == "residual":
            shared |= {"stem": stem, "residual_blocks": residual_blocks}
            analysis, synthesis = partial(residual_analysis, **shared), partial(residual_synthesis, **shared)
        else:
            analysis, synthesis = partial(gdn_analysis, **shared), partial(gdn_synthesis, **shared)
        self.encoder = analysis(self.image_shape, latent_channels=latent_channels)
        self.bottleneck = self._build_bottleneck()
        self.decoder = synthesis(tuple(self.encoder.output_shape[1:]), colours=channels)
        self.build()

    def _build_bottleneck(self) -> keras.layers.Layer:
        raise NotImplementedError

    @property
    def default_quality(self) -> float:
        """The quality that is used where none is asked for: the middle one."""
        return (self.levels + 1) / 2

    @property
    def latent_stride(self) -> int:
        """Pixels of a side per position of the latents."""
        if self.transform == "gdn":
            return 2 ** (len(self.widths) + 1)
        return self.stem * 2 ** (len(self.widths) - 1)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale."""
        return self.latent_stride

    def encode(self, images, quality=None):
        """Return the rounded latents ``(batch, rows, columns, channels)`` at ``quality``, ``(batch,)`` or None."""
        return self.bottleneck(self.encoder(images), quality=quality)[0]

    def decode(self, latents):
        """Return the images of latents, ``(batch, height, width, channels)`` in [0, 1]."""
        return ops.clip(self.decoder(latents), 0.0, 1.0)

    def bits_per_pixel(self, rate):
        """Return the bottleneck's rates, nats per image, as bits per pixel."""
        return rate / (math.log(2) * self.image_size**2)

    def initialize_from(self, images) -> None:
        """Begin with an entropy model that fits the latents of ``images``, uint8 of the model's size."""
        encoded = ops.convert_to_numpy(self.encoder(ops.cast(ops.convert_to_tensor(images), "float32") / 255.0))
        self.bottleneck.initialize_from(encoded)

    def finalize(self) -> None:
        """Round around the medians of the density from now on."""
        self.bottleneck.centre()

    def get_config(self):
        """Return what is needed to build the model again."""
        own = ("transform", "stem", "residual_blocks", "latent_channels", "density", "levels", "span", "quantization")
        return super().get_config() | {key: getattr(self, key) for key in own} | {"widths": list(self.widths)}


@keras.saving.register_keras_serializable(package="kerasae")
class FactorizedPrior(LearnedCodec):
    """Transforms around rounded latents under a fully factorised density.

    With ``stem = 4``, ``widths = (32, 64, 128)`` and ``latent_channels = 64`` on 128×128 gray images::

        image ─space to depth 4─▶ 32×32×32 ─halve─▶ 16×16×64 ─halve─▶ 8×8×128 ─conv─▶ y 8×8×64 ─round─▶ ŷ
        ŷ 8×8×64 ─conv─▶ 8×8×128 ─double─▶ 16×16×64 ─double─▶ 32×32×32 ─conv, depth to space 4─▶ image

    Ballé, Laparra, Simoncelli 2017, "End-to-end optimized image compression"; Ballé, Minnen, Singh, Hwang, Johnston
    2018, "Variational image compression with a scale hyperprior", where it is the baseline.
    """

    def _build_bottleneck(self):
        return FactorizedBottleneck(
            DENSITIES[self.density](self.latent_channels, initial_scale=1.0, name="density"),
            gains=QualityGains(self.levels, self.latent_channels, span=self.span, name="gains"),
            default_quality=self.default_quality,
            quantization=self.quantization,
            seed=self.seed,
            name="bottleneck",
        )
