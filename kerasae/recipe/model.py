"""``[model]``: the kinds of model and their sizes."""

from typing import Annotated, Literal

from pydantic import Field

from kerasae.recipe.section import Section

Width = Annotated[int, Field(ge=1, le=4096)]
Widths = Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=6)]


class ConvAutoencoder(Section):
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

    @property
    def is_variational(self) -> bool:
        """Whether the bottleneck is a distribution, so that the model has a rate."""
        return False


class MlpVae(Section):
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


class ConvVae(Section):
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


Model = Annotated[ConvAutoencoder | MlpVae | ConvVae, Field(discriminator="kind")]
KINDS: dict[str, type[Section]] = {
    "conv_autoencoder": ConvAutoencoder,
    "mlp_vae": MlpVae,
    "conv_vae": ConvVae,
}
