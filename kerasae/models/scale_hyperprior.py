"""A learned codec whose hyper-latents tell the scale of each latent."""

import keras

from kerasae.models.hyperprior_codec import HyperpriorCodec


@keras.saving.register_keras_serializable(package="kerasae")
class ScaleHyperprior(HyperpriorCodec):
    """Transforms around latents under zero-mean normal distributions; hyper-latents tell their scales.

    With ``latent_channels = 64``, ``hyper_channels = 32`` on 128×128 images::

        image ─encoder─▶ y 8×8×64 ──────────────────── round ─▶ ŷ ─decoder─▶ image
                         └─hyper-analysis─▶ z 2×2×32 ─round─▶ ẑ ─hyper-synthesis─▶ scales 8×8×64 of ŷ

    Ballé, Minnen, Singh, Hwang, Johnston 2018, "Variational image compression with a scale hyperprior".
    """

    with_mean = False
