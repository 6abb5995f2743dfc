"""Runs on one backend and writes what it computed, for ``test_agreement`` to compare.

``python worker.py OUT IN``: results go to OUT/<backend>.npz, models to OUT; models of other backends are read from IN.
"""

import sys
from pathlib import Path
from unittest.mock import patch

import numpy as np

from kerasae.runtime import choose_backend

BACKEND = choose_backend()

import keras  # noqa: E402

from kerasae.models import initialize  # noqa: E402
from kerasae.recipes import recipe_from  # noqa: E402
from kerasae.training import Trainer, build_trainer  # noqa: E402
from tests.small_models import model_of as small_model  # noqa: E402

LAMBDAS = (0.003, 0.01, 0.03)
CODEC = {"stem": 2, "widths": (6, 8), "latent_channels": 10, "lambdas": LAMBDAS}
HYPER = {"hyper_width": 6, "hyper_channels": 16}
CASES = {
    "autoencoder": ("conv_autoencoder", {"filters": (8, 4), "l2": 1e-3}),
    "vae_unit": ("mlp_vae", {"hidden": (24,), "latent_size": 6, "l1": 1e-3, "beta": 0.7}),
    "vae_calibrated": ("mlp_vae", {"hidden": (24,), "latent_size": 6, "likelihood": "calibrated", "beta": 0.7}),
    "conv_vae": (
        "conv_vae",
        {"widths": (6, 8), "latent_size": 6, "l1": 1e-4, "l2": 1e-4, "likelihood": "calibrated", "beta": 0.7},
    ),
    "factorized_prior": ("factorized_prior", CODEC | {"density": "factorized", "quantization": "noise"}),
    "factorized_prior_gdn": ("factorized_prior", CODEC | {"transform": "gdn", "l2": 1e-4, "distortion": "ssim"}),
    "scale_hyperprior": ("scale_hyperprior", CODEC | HYPER | {"quantization": "noise"}),
    "mean_scale_hyperprior": ("mean_scale_hyperprior", CODEC | HYPER),
    "context_hyperprior": ("context_hyperprior", CODEC | HYPER | {"context_width": 7}),
}


def model_of(case):
    kind, sizes = CASES[case]
    sizes = {key: value for key, value in sizes.items() if key != "stem" or sizes.get("transform") != "gdn"}
    model = small_model(kind, image_size=32, **sizes)
    initialize(model, 5)
    return model


def shared_uniform():
    """Return what stands for ``keras.random.uniform``: the same numbers on every backend, call by call."""
    source = np.random.default_rng(2)

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        drawn = source.uniform(minval, maxval, tuple(int(side) for side in shape))
        return keras.ops.convert_to_tensor(drawn.astype("float32"))

    return uniform


def trainer_of(case):
    return Trainer(model_of(case), sigma=0.0, seed=0)


def one_step(case, images, results):
    """Loss terms and gradients of one step; what is drawn is replaced by numbers that every backend shares."""
    trainer = trainer_of(case)
    if trainer.autoencoder.has_entropy_model:
        # No whole gray levels: sums of these are 0 at some latents, but for the last bit, and |0| has a gradient of
        # either sign.
        noise = np.random.default_rng(3).uniform(-25, 25, images.shape)
        images = (25 + 0.8 * images + noise).astype("float32")
    bottleneck = trainer.autoencoder.bottleneck
    if trainer.autoencoder.is_variational:
        epsilon = np.random.default_rng(1).normal(size=(len(images), 6)).astype("float32")
        kl = type(bottleneck).__call__

        def bottleneck_call(encoded, training=False):
            return bottleneck.draw(encoded, epsilon), kl(bottleneck, encoded)[1]

        trainer.autoencoder.__dict__["bottleneck"] = bottleneck_call
        object.__setattr__(trainer.autoencoder, "bottleneck", bottleneck_call)
    with patch.object(keras.random, "uniform", shared_uniform()):
        gradients, terms = trainer.gradients(keras.ops.convert_to_tensor(images), None)
    for name, term in terms.items():
        results[f"{case}/{name}"] = keras.ops.convert_to_numpy(term)
    for index, gradient in enumerate(gradients):
        results[f"{case}/gradient_{index}"] = keras.ops.convert_to_numpy(gradient)


def twenty_steps(images, results):
    """Weights after one and after twenty steps of the autoencoder without noise, through the loop itself."""
    recipe = recipe_from(
        {"model": {"kind": "conv_autoencoder"}, "data": {"image_size": 32}, "regularizer": {"l2": 1e-5}},
        name="agreement",
        origin="here",
    )
    from kerasae.data.batches import DeviceFeed, Feed
    from kerasae.training.callbacks import EpochLoop

    for steps in (1, 20):
        trainer = build_trainer(recipe, steps_per_epoch=steps)
        # One batch an epoch.
        feed = Feed(images, np.arange(8), batch_size=8, seed=0)
        EpochLoop(trainer, DeviceFeed(feed), DeviceFeed(feed)).run(epochs=steps)
        for index, weights in enumerate(trainer.autoencoder.get_weights()):
            results[f"after_{steps}/{index}"] = weights


def images_of(model, scaled):
    """Return what the transforms make of images.

    A learned codec's latents are not rounded on the way: one that lies half way between two integers goes up on one
    backend and down on the next. That files decode all the same is what ``test_portability`` shows.
    """
    images = model.decode(model.encoder(scaled)) if model.has_entropy_model else model(scaled)
    return keras.ops.convert_to_numpy(images)


def main(out, other):
    images = np.load(out / "images.npy")
    results = {}
    for case in CASES:
        one_step(case, images[:8], results)
    twenty_steps(images, results)
    scaled = images[:4].astype("float32") / 255
    for case in CASES:
        model = model_of(case)
        model.save(out / f"{BACKEND}-{case}.keras")
        results[f"saved/{case}"] = images_of(model, scaled)
    for path in sorted(other.glob("*.keras")):
        loaded = keras.saving.load_model(path)
        results[f"loaded/{path.stem}"] = images_of(loaded, scaled)
    np.savez(out / f"{BACKEND}.npz", **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
