"""``conv_autoencoder``: the reference study's convolutional autoencoder."""

from typing import Literal

from pydantic import Field

from kerasae.recipes.kinds import ModelSettings
from kerasae.recipes.section import Widths


class ConvAutoencoder(ModelSettings):
    """The reference study's autoencoder: one stride-2 convolution per entry of ``filters``, mirrored back.

    The last entry is the number of latent channels. With ``filters = (8, 4)`` on 128×128 gray images, 741 parameters::

        image 128×128×1 ─conv 8, relu─▶ 64×64×8 ─conv 4, relu─▶ latents 32×32×4
        latents 32×32×4 ─convT 8, relu─▶ 64×64×8 ─convT 1, sigmoid─▶ image 128×128×1
    """

    kind: Literal["conv_autoencoder"] = "conv_autoencoder"
    filters: Widths = (8, 4)
    # A kernel of 1 reads one pixel of four; with it TensorFlow 2.21 writes past its memory on a CPU.
    kernel_size: int = Field(3, ge=2, le=15)

    @property
    def stride(self) -> int:
        """Pixels of a side per latent position."""
        return 2 ** len(self.filters)

    def build(self, image_shape, *, regularizer, objective, seed):
        """Return the model for images of ``image_shape``."""
        import keras

        from kerasae.layers import GlorotUniform, StridedConv2D, StridedConv2DTranspose
        from kerasae.models import Autoencoder

        settings = {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer}
        images = x = keras.Input(image_shape, name="images")
        for index, width in enumerate(self.filters):
            x = StridedConv2D(width, self.kernel_size, activation="relu", name=f"down_{index}", **settings)(x)
        encoder = keras.Model(images, x, name="encoder")

        latents = x = keras.Input(x.shape[1:], name="latents")
        widths = [*reversed(self.filters[:-1]), image_shape[-1]]
        for index, width in enumerate(widths):
            activation = "sigmoid" if index == len(widths) - 1 else "relu"
            x = StridedConv2DTranspose(width, self.kernel_size, activation=activation, name=f"up_{index}", **settings)(
                x
            )
        images = keras.layers.Activation("linear", dtype="float32")(x)
        decoder = keras.Model(latents, images, name="decoder")
        return Autoencoder(encoder, decoder, takes_any_size=True, stride=self.stride, name=self.kind)
