"""``mlp_vae`` and ``conv_vae``: the reference study's variational autoencoder, and a convolutional one that works."""

import math
from typing import ClassVar, Literal

from pydantic import Field

from kerasae.recipes.kinds import ModelSettings
from kerasae.recipes.section import Widths


class _Vae(ModelSettings):
    is_variational: ClassVar[bool] = True

    def networks(self, image_shape, conv, dense):
        """Return encoder and decoder; ``conv`` and ``dense`` make layers as all kernels are to be."""
        raise NotImplementedError

    def build(self, image_shape, *, regularizer, objective, seed):
        """Return the model for images of ``image_shape``."""
        from keras import layers

        from kerasae.layers import GlorotUniform
        from kerasae.models import VariationalAutoencoder

        kernel = {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer}

        def conv(width, kernel_size, name, activation=None):
            return layers.Conv2D(width, kernel_size, padding="same", activation=activation, name=name, **kernel)

        def dense(units, name, activation=None):
            return layers.Dense(units, activation, name=name, **kernel)

        encoder, decoder = self.networks(image_shape, conv, dense)
        return VariationalAutoencoder(
            encoder,
            decoder,
            beta=objective.rate_weight,
            likelihood=objective.likelihood,
            seed=seed,
            takes_any_size=False,
            stride=self.stride,
            name=self.kind,
        )


class MlpVae(_Vae):
    """The reference study's variational autoencoder: dense ``hidden`` layers around ``latent_size`` latents.

    Kingma & Welling 2014. With ``hidden = (512,)`` and ``latent_size = 200`` on 128×128 gray images::

        image ─flatten─▶ 16384 ─dense, relu─▶ 512 ─dense─▶ mean 200
                                                  ─dense─▶ log-variance 200
        latents 200 ─dense, relu─▶ 512 ─dense, sigmoid─▶ 16384 ─▶ image
    """

    kind: Literal["mlp_vae"] = "mlp_vae"
    hidden: Widths = (512,)
    latent_size: int = Field(200, ge=1, le=65536)

    def networks(self, image_shape, conv, dense):
        """Return encoder and decoder."""
        import keras

        images = keras.Input(image_shape, name="images")
        x = keras.layers.Flatten(name="flatten")(images)
        for index, units in enumerate(self.hidden):
            x = dense(units, f"encoder_hidden_{index}", "relu")(x)
        posterior = [dense(self.latent_size, name)(x) for name in ("mean", "log_variance")]

        latents = x = keras.Input((self.latent_size,), name="latents")
        for index, units in enumerate(reversed(self.hidden)):
            x = dense(units, f"decoder_hidden_{index}", "relu")(x)
        x = dense(math.prod(image_shape), "pixels", "sigmoid")(x)
        decoded = keras.layers.Reshape(image_shape, name="image")(x)
        return keras.Model(images, posterior, name="encoder"), keras.Model(latents, decoded, name="decoder")


class ConvVae(_Vae):
    """Residual blocks at ever coarser scales around ``latent_size`` dense Gaussian latents.

    A space-to-depth stem takes ``stem`` pixels a side at once; then one scale per entry of ``widths``, each half the
    size of the one before, with ``residual_blocks`` blocks. ``neck`` channels of the coarsest scale reach the dense
    layers: with all of them these would be nine tenths of the weights, and learn the training images by heart. With
    ``stem = 4``, ``widths = (24, 48, 96)``, ``neck = 16`` and ``latent_size = 200`` on 128×128 gray images::

        image ─space to depth 4─▶ 32×32×16 ─conv─▶ 32×32×24 ─halve─▶ 16×16×48 ─halve─▶ 8×8×96
              ─conv─▶ 8×8×16 ─dense─▶ mean 200, log-variance 200
        latents 200 ─dense─▶ 8×8×16 ─conv─▶ 8×8×96 ─double─▶ 16×16×48 ─double─▶ 32×32×24 ─conv─▶ 32×32×16
              ─depth to space 4─▶ image

    A block is x + conv(relu(conv(x))) (He et al. 2016, without normalisation: batches of one image must decode as
    batches of many). Nothing outside the blocks bends: image and latents are joined by a linear path, so that the model
    begins where principal components are. Halving is space-to-depth with a 1×1 convolution, doubling a 1×1 convolution
    with depth-to-space (Shi et al. 2016): no strided or dilated convolution, which XLA computes slowly on a CPU.
    """

    kind: Literal["conv_vae"] = "conv_vae"
    stem: Literal[1, 2, 4, 8] = 4
    widths: Widths = (24, 48, 96)
    residual_blocks: int = Field(1, ge=0, le=16)
    neck: int = Field(16, ge=1, le=4096)
    latent_size: int = Field(200, ge=1, le=65536)

    @property
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale."""
        return self.stem * 2 ** (len(self.widths) - 1)

    def networks(self, image_shape, conv, dense):
        """Return encoder and decoder."""
        import keras

        from kerasae.layers import DepthToSpace, SpaceToDepth

        def blocks(x, width, name):
            for index in range(self.residual_blocks):
                branch = conv(width, 3, f"{name}_{index}_first", "relu")(x)
                branch = conv(width, 3, f"{name}_{index}_second")(branch)
                x = keras.layers.Add(name=f"{name}_{index}_add")([x, branch])
            return x

        images = keras.Input(image_shape, name="images")
        x = conv(self.widths[0], 3, "stem_conv")(SpaceToDepth(self.stem, name="stem")(images))
        for index, width in enumerate(self.widths):
            if index:
                x = conv(width, 1, f"halve_{index}_conv")(SpaceToDepth(2, name=f"halve_{index}")(x))
            x = blocks(x, width, f"down_{index}")
        x = keras.layers.Flatten(name="flatten")(conv(self.neck, 1, "neck_conv")(x))
        posterior = [dense(self.latent_size, name)(x) for name in ("mean", "log_variance")]

        rows, columns = (side // self.stride for side in image_shape[:2])
        latents = keras.Input((self.latent_size,), name="latents")
        x = dense(rows * columns * self.neck, "unflatten")(latents)
        x = keras.layers.Reshape((rows, columns, self.neck), name="grid")(x)
        x = conv(self.widths[-1], 3, "neck_conv")(x)
        for index, width in reversed(list(enumerate(self.widths))):
            x = blocks(x, width, f"up_{index}")
            if index:
                x = conv(4 * self.widths[index - 1], 1, f"double_{index}_conv")(x)
                x = DepthToSpace(2, name=f"double_{index}")(x)
        x = conv(self.stem**2 * image_shape[-1], 3, "stem_conv", "sigmoid")(x)
        decoded = DepthToSpace(self.stem, name="image")(x)
        return keras.Model(images, posterior, name="encoder"), keras.Model(latents, decoded, name="decoder")
