"""Pairs of analysis and synthesis transforms of learned codecs, as Keras functional models."""

import keras
from keras import layers

from kerasae.layers import (
    GDN,
    BlockTransform,
    ChannelScale,
    DepthToSpace,
    GlorotUniform,
    SpaceToDepth,
    StridedConv2D,
    StridedConv2DTranspose,
)


def gdn_analysis(image_shape, *, widths, latent_channels: int, regularizer) -> keras.Model:
    """Return the encoder: images ``(batch, height, width, colours)`` in [0, 1] → ``(batch, rows, columns, channels)``.

        image ─conv 5×5 ↓2 ─GDN─▶ … ─conv 5×5 ↓2 ─GDN─▶ conv 5×5 ↓2 ─▶ latents

    One stage per entry of ``widths`` and a last one to ``latent_channels``: ``rows`` and ``columns`` are the sides over
    2^(len(widths) + 1). Ballé, Minnen, Singh, Hwang, Johnston 2018, figure 4. ``regularizer`` is that of every
    kernel, or None.
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
    return {"kernel_initializer": GlorotUniform(), "kernel_regularizer": regularizer}


# The scale of the DCT beside the network: a quantizer's step of 1 is then about a middle quality.
_SCALE = 1.7


def residual_analysis(
    image_shape, *, stem: int, widths, residual_blocks: int, latent_channels: int, regularizer
) -> keras.Model:
    """Return the encoder: images ``(batch, height, width, colours)`` in [0, 1] → ``(batch, rows, columns, channels)``.

        image ─┬─space to depth by stem─▶ conv 3×3 ─▶ blocks ─[halve ─▶ blocks]…─▶ conv 3×3 ─·0─▶ + ─▶ latents
               └─DCT of blocks of the stride──────────────────────────────────────────────────────┘

    Beside the network stands a linear transform of whole blocks that starts as the discrete cosine transform, while
    the network starts switched off: training begins as a transform codec and ends as what the network makes of it.
    Without it, fine detail at high rates has to wait until the network is precise enough to pass it on.

    A block is x + conv(gelu(conv(x))), ``residual_blocks`` of them a scale; halving is space-to-depth by 2 and a 1×1
    convolution. ``rows`` and ``columns`` are the sides over ``stem`` · 2^(len(widths) − 1). ``regularizer()`` returns a
    new kernel regulariser or None.
    """
    conv = _conv(regularizer)
    images = keras.Input(image_shape, name="images")
    centred = layers.Rescaling(4.0, offset=-2.0, name="centre")(images)
    x = SpaceToDepth(stem, name="stem")(centred)
    x = conv(widths[0], 3, "stem_conv")(x)
    for index, width in enumerate(widths):
        if index:
            x = SpaceToDepth(2, name=f"halve_{index}")(x)
            x = conv(width, 1, f"halve_{index}_conv")(x)
        x = _blocks(conv, x, width, residual_blocks, f"down_{index}")
    x = ChannelScale(name="network_scale")(conv(latent_channels, 3, "latents_conv")(x))
    stride = stem * 2 ** (len(widths) - 1)
    linear = BlockTransform(stride, latent_channels, image_shape[-1], scale=_SCALE, name="linear")(centred)
    return keras.Model(images, layers.Add(name="latents")([linear, x]), name="encoder")


def residual_synthesis(
    latent_shape, *, stem: int, widths, residual_blocks: int, colours: int, regularizer
) -> keras.Model:
    """Return the decoder, the mirror of ``residual_analysis``; its images are not clipped to [0, 1].

    Doubling is a 1×1 convolution and depth-to-space by 2 (sub-pixel convolution, Shi et al. 2016).
    """
    conv = _conv(regularizer)
    latents = keras.Input(latent_shape, name="latents")
    x = conv(widths[-1], 3, "latents_conv")(latents)
    for index, width in reversed(list(enumerate(widths))):
        x = _blocks(conv, x, width, residual_blocks, f"up_{index}")
        if index:
            x = conv(4 * widths[index - 1], 1, f"double_{index}_conv")(x)
            x = DepthToSpace(2, name=f"double_{index}")(x)
    x = conv(stem**2 * colours, 3, "stem_conv")(x)
    x = DepthToSpace(stem, name="image")(ChannelScale(name="network_scale")(x))
    stride = stem * 2 ** (len(widths) - 1)
    linear = BlockTransform(stride, latent_shape[-1], colours, inverse=True, scale=_SCALE, name="linear")(latents)
    x = layers.Add(name="sum")([linear, x])
    return keras.Model(latents, layers.Rescaling(0.25, offset=0.5, dtype="float32", name="uncentre")(x), name="decoder")


def _conv(regularizer):
    def conv(width, kernel_size, name, activation=None):
        return layers.Conv2D(
            width,
            kernel_size,
            padding="same",
            activation=activation,
            kernel_initializer=GlorotUniform(),
            kernel_regularizer=regularizer,
            name=name,
        )

    return conv


def _blocks(conv, x, width, count, name):
    for index in range(count):
        branch = conv(width, 3, f"{name}_{index}_first", "gelu")(x)
        branch = conv(width, 3, f"{name}_{index}_second")(branch)
        x = layers.Add(name=f"{name}_{index}_add")([x, branch])
    return x
