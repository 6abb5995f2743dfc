"""Variational autoencoders: the reference study's, and a convolutional one that works."""

import keras
from keras import layers

from kerasae.entropy.bottlenecks import GaussianBottleneck
from kerasae.layers import DepthToSpace, GlorotUniform, SpaceToDepth
from kerasae.models.base import Autoencoder


@keras.saving.register_keras_serializable(package="kerasae")
class MlpVae(Autoencoder):
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


@keras.saving.register_keras_serializable(package="kerasae")
class ConvVae(Autoencoder):
    """Residual blocks at ever coarser scales around dense Gaussian latents.

    With ``stem = 4``, ``widths = (24, 48, 96)``, ``neck = 16`` and ``latent_size = 200`` on 128×128 gray images::

        image ─space to depth 4─▶ 32×32×16 ─conv─▶ 32×32×24 ─halve─▶ 16×16×48 ─halve─▶ 8×8×96
              ─conv─▶ 8×8×16 ─dense─▶ mean 200, log-variance 200
        latents 200 ─dense─▶ 8×8×16 ─conv─▶ 8×8×96 ─double─▶ 16×16×48 ─double─▶ 32×32×24 ─conv─▶ 32×32×16
              ─depth to space 4─▶ image

    Each scale has ``residual_blocks`` blocks x + conv(relu(conv(x))) (He et al. 2016, without normalisation: batches
    of one image must decode as batches of many), and nothing outside them bends: image and latents are joined by a
    linear path, so that the model begins where principal components are. Halving is space-to-depth with a 1×1
    convolution, doubling a 1×1 convolution with depth-to-space (Shi et al. 2016): no strided or dilated convolution,
    which XLA computes slowly on a CPU.
    """

    is_variational = True

    def __init__(
        self,
        *,
        image_size=128,
        channels=1,
        stem=4,
        widths=(24, 48, 96),
        residual_blocks=1,
        neck=16,
        latent_size=200,
        seed=0,
        l1=0.0,
        l2=0.0,
        name=None,
        **kwargs,
    ):
        super().__init__(image_size=image_size, channels=channels, seed=seed, l1=l1, l2=l2, name=name, **kwargs)
        self.stem = stem
        self.widths = tuple(widths)
        self.residual_blocks = residual_blocks
        self.neck = neck
        self.latent_size = latent_size
        self.encoder = self._build_encoder()
        self.bottleneck = GaussianBottleneck(seed=seed, name="bottleneck")
        self.decoder = self._build_decoder()
        self.build()

    def _conv(self, width, kernel_size, name, activation=None):
        return layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            activation=activation,
            kernel_initializer=GlorotUniform(),
            kernel_regularizer=self.kernel_regularizer(),
            name=name,
        )

    def _dense(self, units, name, activation=None):
        penalty = self.kernel_regularizer()
        return layers.Dense(
            units, activation, kernel_initializer=GlorotUniform(), kernel_regularizer=penalty, name=name
        )

    def _residual(self, x, width, name):
        for index in range(self.residual_blocks):
            branch = self._conv(width, 3, f"{name}_{index}_first", "relu")(x)
            branch = self._conv(width, 3, f"{name}_{index}_second")(branch)
            x = layers.Add(name=f"{name}_{index}_add")([x, branch])
        return x

    def _build_encoder(self):
        images = keras.Input(self.image_shape, name="images")
        x = SpaceToDepth(self.stem, name="stem")(images)
        x = self._conv(self.widths[0], 3, "stem_conv")(x)
        for index, width in enumerate(self.widths):
            if index:
                x = SpaceToDepth(2, name=f"halve_{index}")(x)
                x = self._conv(width, 1, f"halve_{index}_conv")(x)
            x = self._residual(x, width, f"down_{index}")
        x = self._conv(self.neck, 1, "neck_conv")(x)
        x = layers.Flatten(name="flatten")(x)
        mean, log_variance = (self._dense(self.latent_size, name)(x) for name in ("mean", "log_variance"))
        return keras.Model(images, [mean, log_variance], name="encoder")

    def _build_decoder(self):
        side = self.image_size // self.stride
        latents = keras.Input((self.latent_size,), name="latents")
        x = self._dense(side * side * self.neck, "unflatten")(latents)
        x = layers.Reshape((side, side, self.neck), name="grid")(x)
        x = self._conv(self.widths[-1], 3, "neck_conv")(x)
        for index, width in reversed(list(enumerate(self.widths))):
            x = self._residual(x, width, f"up_{index}")
            if index:
                x = self._conv(4 * self.widths[index - 1], 1, f"double_{index}_conv")(x)
                x = DepthToSpace(2, name=f"double_{index}")(x)
        x = self._conv(self.stem**2 * self.channels, 3, "stem_conv", "sigmoid")(x)
        return keras.Model(latents, DepthToSpace(self.stem, name="image")(x), name="decoder")

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale."""
        return self.stem * 2 ** (len(self.widths) - 1)

    def get_config(self):
        """Return what is needed to build the model again."""
        own = ("stem", "residual_blocks", "neck", "latent_size")
        return super().get_config() | {key: getattr(self, key) for key in own} | {"widths": list(self.widths)}
