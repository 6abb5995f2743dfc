"""``factorized_prior``, ``scale_hyperprior`` and ``mean_scale_hyperprior``: the shipped learned codecs."""

from typing import ClassVar, Literal

from pydantic import Field

from kerasae.recipes.kinds import ModelSettings
from kerasae.recipes.section import Width, Widths


class _Codec(ModelSettings):
    """A codec trained for rate and distortion at once: transforms, and an entropy model of the rounded latents.

    ``transform``: ``residual``, the fast pair (a space-to-depth stem of ``stem`` pixels a side, one scale per entry of
    ``widths``, ``residual_blocks`` blocks each), or ``gdn``, the papers' 5×5 convolutions of stride 2 with GDN (one
    stage per entry of ``widths`` and one more). ``density``: of each channel's latents (of the hyper-latents, where
    there are any), a mixture of three logistics or the non-parametric density of Ballé et al. 2018.
    """

    has_entropy_model: ClassVar[bool] = True
    entropy: ClassVar[str]

    transform: Literal["residual", "gdn"] = "residual"
    stem: Literal[1, 2, 4, 8] = 4
    widths: Widths = (32, 64, 128)
    residual_blocks: int = Field(1, ge=0, le=16)
    latent_channels: int = Field(64, ge=1, le=4096)
    density: Literal["logistic_mixture", "factorized"] = "logistic_mixture"

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

    def build(self, image_shape, *, regularizer, objective, seed):
        """Return the model for images of ``image_shape``."""
        from kerasae.models import LearnedCodec, transforms

        sizes = {"widths": self.widths, "regularizer": regularizer}
        if self.transform == "residual":
            sizes |= {"stem": self.stem, "residual_blocks": self.residual_blocks}
            analysis, synthesis = transforms.residual_analysis, transforms.residual_synthesis
        else:
            analysis, synthesis = transforms.gdn_analysis, transforms.gdn_synthesis
        encoder = analysis(image_shape, latent_channels=self.latent_channels, **sizes)
        decoder = synthesis(tuple(encoder.output_shape[1:]), colours=image_shape[-1], **sizes)
        hyper = {name: getattr(self, name) for name in ("hyper_width", "hyper_channels") if hasattr(self, name)}
        return LearnedCodec(
            encoder,
            decoder,
            entropy=self.entropy,
            lambdas=objective.lambdas,
            distortion=objective.distortion,
            quantization=objective.quantization,
            density=self.density,
            seed=seed,
            regularizer=regularizer,
            takes_any_size=True,
            stride=self.latent_stride,
            name=self.kind,
            **hyper,
        )


class FactorizedPrior(_Codec):
    """Latents are independent, each channel under a density of its own.

    Ballé, Laparra, Simoncelli 2017, "End-to-end optimized image compression". With ``stem = 4``, ``widths = (32, 64,
    128)`` and ``latent_channels = 64`` on 128×128 gray images::

        image ─space to depth 4─▶ 32×32×32 ─halve─▶ 16×16×64 ─halve─▶ 8×8×128 ─conv─▶ y 8×8×64 ─round─▶ ŷ
        ŷ 8×8×64 ─conv─▶ 8×8×128 ─double─▶ 16×16×64 ─double─▶ 32×32×32 ─conv, depth to space 4─▶ image
    """

    entropy: ClassVar[str] = "factorized"
    kind: Literal["factorized_prior"] = "factorized_prior"


class _Hyperprior(_Codec):
    """``hyper_channels`` of side information at a quarter of the latents' resolution tell how latents are distributed.

    They are made and read by layers of ``hyper_width`` channels.
    """

    hyper_width: Width = 64
    # The file format lays them out over 4×4 blocks of latent positions.
    hyper_channels: int = Field(32, ge=16, le=4096, multiple_of=16)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the hyper-latents."""
        return 4 * self.latent_stride


class ScaleHyperprior(_Hyperprior):
    """Latents are normal around 0, with scales that hyper-latents tell.

    Ballé, Minnen, Singh, Hwang, Johnston 2018, "Variational image compression with a scale hyperprior". With
    ``latent_channels = 64``, ``hyper_channels = 32`` on 128×128 images::

        image ─encoder─▶ y 8×8×64 ──────────────────── round ─▶ ŷ ─decoder─▶ image
                         └─hyper-analysis─▶ z 2×2×32 ─round─▶ ẑ ─hyper-synthesis─▶ scales 8×8×64 of ŷ
    """

    entropy: ClassVar[str] = "scale_hyperprior"
    kind: Literal["scale_hyperprior"] = "scale_hyperprior"


class MeanScaleHyperprior(_Hyperprior):
    """As ``scale_hyperprior``, with a mean for each latent too; what is coded is the distance from it.

    Minnen, Ballé, Toderici 2018, "Joint autoregressive and hierarchical priors for learned image compression", without
    the autoregressive part, which decodes pixel by pixel.
    """

    entropy: ClassVar[str] = "hyperprior"
    kind: Literal["mean_scale_hyperprior"] = "mean_scale_hyperprior"
