"""The contract every model keeps, and the starting point of training."""

from abc import abstractmethod

import keras
import numpy as np

from kerasae.errors import ModelError
from kerasae.layers import GlorotUniform


class Autoencoder(keras.Model):
    """Encoder → bottleneck → decoder.

    ::

        images ──encoder──▶ encoded ──bottleneck──▶ latents ──decoder──▶ reconstructions
        (batch, height, width, channels)        (batch, *latent_shape)
                                                 rate (batch,)

    ``encoder`` and ``decoder`` are Keras functional models, ``bottleneck`` a layer that is called as
    ``bottleneck(encoded, sample=False)`` and returns ``(latents, rate)``: without ``sample`` the latents that are
    coded, with it the draw that training learns from; the rate is one number per image, in nats.

    Images are ``(batch, height, width, channels)`` float in [0, 1]. Subclasses are final: they build the three parts in
    their constructor and add nothing.
    """

    #: Whether the bottleneck is a distribution, so that there is a rate and a sample besides the mean.
    is_variational = False
    #: Whether encoder and decoder are convolutional throughout, so that images of any size can be coded in one piece.
    takes_any_size = False
    #: Whether the bottleneck has an entropy model, so that there is a rate in bits and a quality: ``LearnedCodec``.
    has_entropy_model = False

    def __init__(self, *, image_size: int, channels: int, seed: int, l1: float, l2: float, **kwargs):
        super().__init__(**kwargs)
        self.image_size = image_size
        self.channels = channels
        self.seed = seed
        self.l1 = float(l1)
        self.l2 = float(l2)

    @property
    @abstractmethod
    def stride(self) -> int:
        """Pixels of a side per position of the coarsest scale; sides must be multiples of it."""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images the model was built for."""
        return (self.image_size, self.image_size, self.channels)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """Shape of one image's latents."""
        return tuple(self.decoder.input_shape[1:])

    @property
    def latent_ratio(self) -> float:
        """Numbers of the input per number of the latents: the reference study's "compression ratio". Not bytes."""
        latents = 1
        for side in self.latent_shape:
            latents *= side
        return self.image_size**2 * self.channels / latents

    def encode(self, images):
        """Return the latents to be coded, ``(batch, *latent_shape)``; of a variational model, the posterior mean."""
        return self.bottleneck(self.encoder(images))[0]

    def decode(self, latents):
        """Return the images of latents, ``(batch, height, width, channels)`` in [0, 1]."""
        return self.decoder(latents)

    def call(self, images, training=False):
        """Return the reconstructions of ``images``: decoded latents, nothing sampled."""
        return self.decode(self.encode(images))

    def initialize_from(self, images) -> None:
        """Take from a few training images, uint8, what a good start needs; nothing, for most models."""

    def finalize(self) -> None:
        """Do what is left when training is over; nothing, for most models."""

    def kernel_regularizer(self) -> keras.regularizers.Regularizer | None:
        """Return a new regulariser for one kernel, or nothing where ``l1`` and ``l2`` are 0."""
        if self.l1 and self.l2:
            return keras.regularizers.L1L2(self.l1, self.l2)
        if self.l1:
            return keras.regularizers.L1(self.l1)
        return keras.regularizers.L2(self.l2) if self.l2 else None

    def get_config(self):
        """Return the constructor's arguments that all models share."""
        shared = ("image_size", "channels", "seed", "l1", "l2")
        return {"name": self.name} | {key: getattr(self, key) for key in shared}

    def build(self, input_shape=None):
        """Do nothing: the parts are built by the constructor; images of another shape are refused by the encoder."""
        if input_shape is not None and tuple(input_shape[1:]) != self.image_shape:
            raise ModelError(
                f"{self.name} was built for images of shape {self.image_shape} (height, width, channels); "
                f"got {tuple(input_shape[1:])}"
            )
        self.built = True


def initialize(model: keras.Model, seed: int) -> None:
    """Draw every kernel of ``model`` anew, Glorot uniform (Glorot & Bengio 2010); biases stay 0.

    One seed for all of them, so that runs on two backends start from one point and differ by arithmetic only. Kernels
    are drawn in the order of ``trainable_variables``; what is not called a kernel, such as the matrices of a density,
    keeps the start its layer gave it.
    """
    generator = np.random.Generator(np.random.PCG64([seed, 0x1417]))
    for variable in model.trainable_variables:
        if variable.name == "kernel":
            variable.assign(GlorotUniform.draw(generator, variable.shape))
