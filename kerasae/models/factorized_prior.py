"""A learned codec whose latents are independent under one density per channel."""

import keras

from kerasae.entropy import FactorizedBottleneck
from kerasae.layers import QualityGains
from kerasae.models.learned_codec import DENSITIES, LearnedCodec


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
