"""A learned codec whose hyper-latents tell mean and scale of each latent."""

import keras

from kerasae.models.hyperprior_codec import HyperpriorCodec


@keras.saving.register_keras_serializable(package="kerasae")
class MeanScaleHyperprior(HyperpriorCodec):
    """As ``ScaleHyperprior``, with a mean for each latent too; what is coded is the distance from it.

    Minnen, Ballé, Toderici 2018, "Joint autoregressive and hierarchical priors for learned image compression", without
    the autoregressive part, which decodes pixel by pixel.
    """

    with_mean = True
