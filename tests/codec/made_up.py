"""Small models of every kind, frozen from small images."""

from functools import cache

from kerasae.codec.codec import Codec
from kerasae.codec.freeze import freeze
from kerasae.codec.network import Network
from kerasae.models import ConvAutoencoder, ConvVae, MlpVae, initialise
from tests.conftest import smooth_images

KINDS = {
    "conv_autoencoder": (ConvAutoencoder, {"filters": (6, 3)}),
    "mlp_vae": (MlpVae, {"hidden": (24,), "latent_size": 7}),
    "conv_vae": (ConvVae, {"widths": (6, 8), "latent_size": 7}),
}


@cache
def made_up_codec(kind, channels=1, seed=3):
    """Return a codec whose weights come from a seed: nothing is trained, everything is there."""
    make, sizes = KINDS[kind]
    model = make(image_size=32, channels=channels, **sizes)
    initialise(model, seed)
    # Larger kernels, so that latents and pictures vary.
    model.set_weights([2.5 * weights if weights.ndim > 1 else weights for weights in model.get_weights()])
    return Codec(model, freeze(Network(model), smooth_images(60, channels=channels)))
