"""Runs on one backend and writes what it computed, for ``test_agreement`` to compare.

``python worker.py OUT IN``: results go to OUT/<backend>.npz, models to OUT; models of other backends are read from IN.
"""

import sys
from pathlib import Path

import numpy as np

from kerasae.runtime import choose_backend

BACKEND = choose_backend()

import keras  # noqa: E402

from kerasae.models import ConvAutoencoder, ConvVae, MlpVae, initialise  # noqa: E402
from kerasae.recipe import recipe_from  # noqa: E402
from kerasae.training import build_trainer  # noqa: E402
from kerasae.training.trainer import Trainer  # noqa: E402

CASES = {
    "autoencoder": (ConvAutoencoder, {"filters": (8, 4), "l2": 1e-3}, "mean_squared_error"),
    "vae_unit": (MlpVae, {"hidden": (24,), "latent_size": 6, "l1": 1e-3}, "unit"),
    "vae_calibrated": (MlpVae, {"hidden": (24,), "latent_size": 6}, "calibrated"),
    "conv_vae": (ConvVae, {"widths": (6, 8), "latent_size": 6, "l1": 1e-4, "l2": 1e-4}, "calibrated"),
}


def model_of(case):
    kind, sizes, _ = CASES[case]
    model = kind(image_size=32, **sizes)
    initialise(model, 5)
    return model


def one_step(case, images, results):
    """Loss terms and gradients of one step; the sample is replaced by numbers that every backend shares."""
    trainer = Trainer(model_of(case), convention=CASES[case][2], rate_weight=0.7, sigma=0.0, seed=0)
    bottleneck = trainer.compressor.bottleneck
    if trainer.compressor.is_variational:
        epsilon = np.random.default_rng(1).normal(size=(len(images), 6)).astype("float32")
        kl = type(bottleneck).__call__
        bottleneck_call = lambda encoded, sample=False: (bottleneck.draw(encoded, epsilon), kl(bottleneck, encoded)[1])  # noqa: E731
        trainer.compressor.__dict__["bottleneck"] = bottleneck_call
        object.__setattr__(trainer.compressor, "bottleneck", bottleneck_call)
    gradients, terms = trainer.gradients(keras.ops.convert_to_tensor(images))
    for name, term in terms.items():
        results[f"{case}/{name}"] = keras.ops.convert_to_numpy(term)
    for index, gradient in enumerate(gradients):
        results[f"{case}/gradient_{index}"] = keras.ops.convert_to_numpy(gradient)


def twenty_steps(images, results):
    """Weights after one and after twenty steps of the autoencoder without noise, through ``fit`` itself."""
    recipe = recipe_from(
        {"model": {"kind": "conv_autoencoder"}, "data": {"image_size": 32}, "regularizer": {"l2": 1e-5}},
        name="agreement",
        origin="here",
    )
    from kerasae.data.feed import TrainingFeed

    for steps in (1, 20):
        trainer = build_trainer(recipe, steps_per_epoch=steps)
        feed = TrainingFeed(images, np.arange(len(images)), batch_size=8, seed=0, first_epoch=0, epochs=20)
        trainer.fit(feed.dataset("numpy"), steps_per_epoch=steps, epochs=1, verbose=0, shuffle=False)
        for index, weights in enumerate(trainer.compressor.get_weights()):
            results[f"after_{steps}/{index}"] = weights


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
        results[f"saved/{case}"] = keras.ops.convert_to_numpy(model(scaled))
    for path in sorted(other.glob("*.keras")):
        loaded = keras.saving.load_model(path)
        results[f"loaded/{path.stem}"] = keras.ops.convert_to_numpy(loaded(scaled))
    np.savez(out / f"{BACKEND}.npz", **results)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
