"""The papers' pair of transforms: 5×5 convolutions of stride 2 with generalised divisive normalisation."""

import keras
from keras import layers

from kerasae.layers import GDN, GlorotUniform, StridedConv2D, StridedConv2DTranspose


def gdn_analysis(image_shape, *, widths, latent_channels: int, regularizer) -> keras.Model:
    """Return the encoder: images ``(batch, height, width, colours)`` in [0, 1] → ``(batch, rows, columns, channels)``.

    ::

        image ─conv 5×5 ↓2 ─GDN─▶ … ─conv 5×5 ↓2 ─GDN─▶ conv 5×5 ↓2 ─▶ latents

    One stage per entry of ``widths`` and a last one to ``latent_channels``: ``rows`` and ``columns`` are the sides over
    2^(len(widths) + 1). Ballé, Minnen, Singh, Hwang, Johnston 2018, figure 4. ``regularizer()`` returns a new kernel
    regulariser or None.
    """
    images = keras.Input(image_shape, name="images")
    x = layers.Rescaling(4.0, offset=-2.0, name="centre")(images)
    for index, width in enumerate(widths):
        x = StridedConv2D(width, 5, **_kernel(regularizer), name=f"down_{index}")(x)
        x = GDN(name=f"gdn_{index}")(x)
    x = StridedConv2D(latent_channels, 5, **_kernel(regularizer), name="latents_conv")(x)
    return keras.Model(images, x, name="encoder")


def gdn_synthesis(latent_shape, *, widths, colours: int, regularizer) -> keras.Model:
    """Return the decoder, the mirror of ``gdn_analysis``; its images are not clipped to [0, 1]."""
    latents = x = keras.Input(latent_shape, name="latents")
    for index, width in reversed(list(enumerate(widths))):
        x = StridedConv2DTranspose(width, 5, **_kernel(regularizer), name=f"up_{index}")(x)
        x = GDN(inverse=True, name=f"igdn_{index}")(x)
    x = StridedConv2DTranspose(colours, 5, **_kernel(regularizer), name="image_conv")(x)
    return keras.Model(latents, layers.Rescaling(0.25, offset=0.5, dtype="float32", name="uncentre")(x), name="decoder")


def _kernel(regularizer):
    return {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer()}
