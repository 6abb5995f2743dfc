"""The reference study's variational autoencoder."""

import keras
from keras import layers

from kerasae.layers import GaussianBottleneck, GlorotUniform
from kerasae.models.compressor import Compressor


@keras.saving.register_keras_serializable(package="kerasae")
class MlpVae(Compressor):
    """Dense layers around Gaussian latents (Kingma & Welling 2014).

    With ``hidden = (512,)`` and ``latent_size = 200`` on 128×128 gray images::

        image ─flatten─▶ 16384 ─dense, relu─▶ 512 ─dense─▶ mean 200
                                                  ─dense─▶ log-variance 200
        latents 200 ─dense, relu─▶ 512 ─dense, sigmoid─▶ 16384 ─▶ image
    """

    is_variational = True

    def __init__(
        self, *, image_size=128, channels=1, hidden=(512,), latent_size=200, seed=0, l1=0.0, l2=0.0, name=None, **kwargs
    ):
        super().__init__(image_size=image_size, channels=channels, seed=seed, l1=l1, l2=l2, name=name, **kwargs)
        self.hidden = tuple(hidden)
        self.latent_size = latent_size

        def dense(units, name, activation=None):
            penalty = self.kernel_regularizer()
            return layers.Dense(
                units, activation, kernel_initializer=GlorotUniform(), kernel_regularizer=penalty, name=name
            )

        # === Encoder ===
        images = keras.Input(self.image_shape, name="images")
        x = layers.Flatten(name="flatten")(images)
        for index, units in enumerate(self.hidden):
            x = dense(units, f"encoder_hidden_{index}", "relu")(x)
        mean = dense(latent_size, "mean")(x)
        log_variance = dense(latent_size, "log_variance")(x)
        self.encoder = keras.Model(images, [mean, log_variance], name="encoder")

        # === Bottleneck ===
        self.bottleneck = GaussianBottleneck(seed=seed, name="bottleneck")

        # === Decoder ===
        latents = x = keras.Input((latent_size,), name="latents")
        for index, units in enumerate(reversed(self.hidden)):
            x = dense(units, f"decoder_hidden_{index}", "relu")(x)
        x = dense(image_size**2 * channels, "pixels", "sigmoid")(x)
        self.decoder = keras.Model(latents, layers.Reshape(self.image_shape, name="image")(x), name="decoder")
        self.build()

    @property
    def stride(self) -> int:
        """One: any size can be flattened."""
        return 1

    def get_config(self):
        """Return what is needed to build the model again."""
        return super().get_config() | {"hidden": list(self.hidden), "latent_size": self.latent_size}
