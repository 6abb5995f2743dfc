"""The reference study's convolutional autoencoder."""

import keras
from keras import layers

from kerasae.entropy.bottlenecks import IdentityBottleneck
from kerasae.layers import GlorotUniform, StridedConv2D, StridedConv2DTranspose
from kerasae.models.base import Autoencoder


@keras.saving.register_keras_serializable(package="kerasae")
class ConvAutoencoder(Autoencoder):
    """Stride-2 convolutions down, stride-2 transposed convolutions up.

    With ``filters = (8, 4)`` on 128×128 gray images, 741 parameters::

        image 128×128×1 ─conv 8, relu─▶ 64×64×8 ─conv 4, relu─▶ latents 32×32×4
        latents 32×32×4 ─convT 8, relu─▶ 64×64×8 ─convT 1, sigmoid─▶ image 128×128×1

    Sides must be multiples of ``stride`` = 2 per entry of ``filters``.
    """

    takes_any_size = True

    def __init__(
        self, *, image_size=128, channels=1, filters=(8, 4), kernel_size=3, seed=0, l1=0.0, l2=0.0, name=None, **kwargs
    ):
        super().__init__(image_size=image_size, channels=channels, seed=seed, l1=l1, l2=l2, name=name, **kwargs)
        self.filters = tuple(filters)
        self.kernel_size = kernel_size

        # === Encoder ===
        images = x = keras.Input(self.image_shape, name="images")
        for index, width in enumerate(self.filters):
            x = StridedConv2D(
                width,
                kernel_size,
                activation="relu",
                kernel_initializer=GlorotUniform(),
                kernel_regularizer=self.kernel_regularizer(),
                name=f"down_{index}",
            )(x)
        self.encoder = keras.Model(images, x, name="encoder")

        # === Bottleneck ===
        self.bottleneck = IdentityBottleneck(name="bottleneck")

        # === Decoder ===
        latents = x = keras.Input(x.shape[1:], name="latents")
        widths = [*reversed(self.filters[:-1]), channels]
        for index, width in enumerate(widths):
            x = StridedConv2DTranspose(
                width,
                kernel_size,
                activation="sigmoid" if index == len(widths) - 1 else "relu",
                kernel_initializer=GlorotUniform(),
                kernel_regularizer=self.kernel_regularizer(),
                name=f"up_{index}",
            )(x)
        self.decoder = keras.Model(latents, layers.Activation("linear", dtype="float32")(x), name="decoder")
        self.build()

    @property
    def stride(self) -> int:
        """Pixels of a side per latent position."""
        return 2 ** len(self.filters)

    def get_config(self):
        """Return what is needed to build the model again."""
        return super().get_config() | {"filters": list(self.filters), "kernel_size": self.kernel_size}
