"""``[model]``: the kinds of model and their sizes."""

from typing import Annotated, Literal

from pydantic import Field

from kerasae.recipe.section import Section

Width = Annotated[int, Field(ge=1, le=4096)]
Widths = Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=6)]


class _Model(Section):
    @property
    def is_variational(self) -> bool:
        """Whether the bottleneck is a distribution, so that the model has a KL divergence for its rate."""
        return False

    @property
    def has_entropy_model(self) -> bool:
        """Whether the bottleneck has an entropy model, so that the model has a rate in bits."""
        return False


class ConvAutoencoder(_Model):
    """The reference study's autoencoder: one stride-2 convolution per entry of ``filters``, mirrored back.

    The last entry is the number of latent channels.
    """

    kind: Literal["conv_autoencoder"]
    filters: Widths = (8, 4)
    # A kernel of 1 reads one pixel of four; with it TensorFlow 2.21 writes past its memory on a CPU.
    kernel_size: int = Field(3, ge=2, le=15)

    @property
    def stride(self) -> int:
        """Pixels of a side per latent position."""
        return 2 ** len(self.filters)


class MlpVae(_Model):
    """The reference study's variational autoencoder: dense ``hidden`` layers around ``latent_size`` latents."""

    kind: Literal["mlp_vae"]
    hidden: Widths = (512,)
    latent_size: int = Field(200, ge=1, le=65536)

    @property
    def stride(self) -> int:
        """Pixels of a side per latent position: any size will do."""
        return 1

    @property
    def is_variational(self) -> bool:
        """Whether the bottleneck is a distribution, so that the model has a rate."""
        return True


class ConvVae(_Model):
    """A variational autoencoder of strided convolutions and residual blocks around ``latent_size`` dense latents.

    A space-to-depth stem takes ``stem`` pixels a side at once; then one scale per entry of ``widths``, each half the
    size of the one before, with ``residual_blocks`` blocks. ``neck`` channels of the coarsest scale reach the dense
    layers: with all of them these would be nine tenths of the weights, and learn the training images by heart.
    """

    kind: Literal["conv_vae"]
    stem: Literal[1, 2, 4, 8] = 4
    widths: Widths = (24, 48, 96)
    residual_blocks: int = Field(1, ge=0, le=16)
    neck: int = Field(16, ge=1, le=4096)
    latent_size: int = Field(200, ge=1, le=65536)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale."""
        return self.stem * 2 ** (len(self.widths) - 1)

    @property
    def is_variational(self) -> bool:
        """Whether the bottleneck is a distribution, so that the model has a rate."""
        return True


class _LearnedCodec(_Model):
    """A codec trained for rate and distortion at once: transforms, and an entropy model of the rounded latents.

    ``transform``: ``residual``, the fast pair (a space-to-depth stem of ``stem`` pixels a side, one scale per entry of
    ``widths``, ``residual_blocks`` blocks each), or ``gdn``, the papers' 5×5 convolutions of stride 2 with GDN (one
    stage per entry of ``widths`` and one more). ``density``: of each channel's latents (of the hyper-latents, where
    there are any), a mixture of three logistics or the non-parametric density of Ballé et al. 2018.
    """

    transform: Literal["residual", "gdn"] = "residual"
    stem: Literal[1, 2, 4, 8] = 4
    widths: Widths = (32, 64, 128)
    residual_blocks: int = Field(1, ge=0, le=16)
    latent_channels: int = Field(64, ge=1, le=4096)
    density: Literal["logistic_mixture", "factorized"] = "logistic_mixture"

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the latents."""
        if self.transform == "gdn":
            return 2 ** (len(self.widths) + 1)
        return self.stem * 2 ** (len(self.widths) - 1)

    @property
    def has_entropy_model(self) -> bool:
        """Whether the bottleneck has an entropy model, so that the model has a rate in bits."""
        return True


class FactorizedPrior(_LearnedCodec):
    """Latents are independent, each channel under a density of its own."""

    kind: Literal["factorized_prior"]


class _Hyperprior(_LearnedCodec):
    """``hyper_channels`` of side information at a quarter of the latents' resolution tell how latents are distributed.

    They are made and read by layers of ``hyper_width`` channels.
    """

    hyper_width: Width = 64
    # The file format lays them out over 4×4 blocks of latent positions.
    hyper_channels: int = Field(32, ge=16, le=4096, multiple_of=16)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the hyper-latents."""
        return 4 * super().stride


class ScaleHyperprior(_Hyperprior):
    """Latents are normal around 0, with scales that hyper-latents tell."""

    kind: Literal["scale_hyperprior"]


class MeanScaleHyperprior(_Hyperprior):
    """Latents are normal with means and scales that hyper-latents tell."""

    kind: Literal["mean_scale_hyperprior"]


Model = Annotated[
    ConvAutoencoder | MlpVae | ConvVae | FactorizedPrior | ScaleHyperprior | MeanScaleHyperprior,
    Field(discriminator="kind"),
]
KINDS: dict[str, type[Section]] = {
    "conv_autoencoder": ConvAutoencoder,
    "mlp_vae": MlpVae,
    "conv_vae": ConvVae,
    "factorized_prior": FactorizedPrior,
    "scale_hyperprior": ScaleHyperprior,
    "mean_scale_hyperprior": MeanScaleHyperprior,
}
