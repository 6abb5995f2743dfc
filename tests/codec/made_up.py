"""Small models of every kind, frozen from small images."""

from functools import cache

import keras
import numpy as np
from keras import ops

from kerasae.codec import Codec
from kerasae.codec.freeze import freeze
from kerasae.codec.keras_network import KerasNetwork
from kerasae.models import initialize
from kerasae.recipes import recipe_from
from kerasae.training import build_trainer
from tests.conftest import smooth_images
from tests.small_models import (
    context_hyperprior,
    conv_autoencoder,
    conv_vae,
    factorized_prior,
    mean_scale_hyperprior,
    mlp_vae,
    scale_hyperprior,
)

_LEARNED = {"widths": (6, 8), "latent_channels": 7, "levels": 3, "span": 6.0}
_HYPER = _LEARNED | {"hyper_width": 8, "hyper_channels": 16}
KINDS = {
    "conv_autoencoder": (conv_autoencoder, {"filters": (6, 3)}),
    "mlp_vae": (mlp_vae, {"hidden": (24,), "latent_size": 7}),
    "conv_vae": (conv_vae, {"widths": (6, 8), "latent_size": 7}),
    "factorized_prior": (factorized_prior, _LEARNED),
    "scale_hyperprior": (scale_hyperprior, _HYPER),
    "mean_scale_hyperprior": (mean_scale_hyperprior, _HYPER),
    "context_hyperprior": (context_hyperprior, _HYPER | {"context_width": 9}),
    "two_passes": (context_hyperprior, _HYPER | {"context_width": 9, "passes": 2}),
}
HYPERPRIORS = ("scale_hyperprior", "mean_scale_hyperprior", "context_hyperprior", "two_passes")
LEARNED = ("factorized_prior", *HYPERPRIORS)
LAMBDAS = (0.002, 0.01, 0.05)
MIXED = [*smooth_images(5, seed=7), *smooth_images(2, size=44, seed=8), smooth_images(1)[0][:9, :20]]


@cache
def made_up_codec(kind, channels=1, seed=3):
    """Return a codec whose weights come from a seed: nothing is trained, everything is there."""
    make, sizes = KINDS[kind]
    model = make(image_size=32, channels=channels, **sizes)
    initialize(model, seed)
    # Larger kernels, so that latents and pictures vary.
    for variable in [*model.encoder.trainable_variables, *model.decoder.trainable_variables]:
        if variable.name == "kernel":
            variable.assign(2.5 * ops.convert_to_numpy(variable))
    if kind in LEARNED:
        _leave_the_start(model, np.random.default_rng(seed), smooth_images(20, channels=channels))
    lambdas = LAMBDAS if kind in LEARNED else ()
    return Codec(model, freeze(KerasNetwork(model), smooth_images(60, channels=channels), lambdas=lambdas))


def _leave_the_start(model, random, images):
    """Give branches, steps, corrections and medians numbers of their own, as training would."""
    model.initialize_from(images)
    bottleneck = model.bottleneck
    sides = [bottleneck, bottleneck.side] if hasattr(bottleneck, "side") else [bottleneck]
    # Corrections of little: what a level decodes is compared with the picture that is not quantized at all.
    moved = [(side.gains.log_steps, 0.15) for side in sides] + [(side.gains.log_corrections, 0.01) for side in sides]
    moved.append((sides[-1].density.means, 0.3))
    for part in (model.encoder, model.decoder):
        moved.append((part.get_layer("network_scale").scale, 0.1))
    moved += [(network.convolutions[-1].kernel, 0.1) for network in getattr(bottleneck, "context", [])]
    for weight, scale in moved:
        weight.assign(ops.convert_to_numpy(weight) + random.normal(scale=scale, size=weight.shape))
    model.finalize()


def recipe_of(kind, **objective):
    passes = {"passes": 2} if kind == "two_passes" else {}
    return recipe_from(
        {
            "model": {"kind": kind.replace("two_passes", "context_hyperprior")}
            | passes
            | {"widths": [8, 16], "latent_channels": 6},
            "data": {"image_size": 32},
            "objective": objective,
            "training": {"learning_rate": 3e-3},
        },
        name=kind,
        origin="here",
    )


@cache
def briefly_trained(kind="factorized_prior"):
    """Return a codec after some hundred steps, its trainer and its training images."""
    images = smooth_images(200, seed=21)
    keras.utils.set_random_seed(0)
    trainer = build_trainer(recipe_of(kind, lambdas=LAMBDAS), steps_per_epoch=25)
    trainer.fit(images, batch_size=8, epochs=6, verbose=0)
    trainer.autoencoder.finalize()
    codec = Codec(trainer.autoencoder, freeze(KerasNetwork(trainer.autoencoder), images, lambdas=LAMBDAS))
    return codec, trainer, images
