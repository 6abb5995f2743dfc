"""The trainer, and the objective of learned codecs against NumPy: its terms, and what is drawn when."""

import numpy as np
import pytest
from keras import ops

from kerasae.models import build_model, initialize
from kerasae.recipes import recipe_from
from kerasae.training import build_trainer
from kerasae.training.trainer import Trainer, best_by, objective_sentence
from tests.conftest import smooth_images
from tests.small_models import factorized_prior

LAMBDAS = (0.002, 0.01, 0.08)
IMAGES = smooth_images(6)


def trainer_of(distortion="mse", lambdas=LAMBDAS, sigma=0.0, l2=0.0, **more):
    sizes = {"image_size": 32, "widths": (4, 6), "latent_channels": 5, "l2": l2}
    model = factorized_prior(lambdas=lambdas, distortion=distortion, **sizes)
    initialize(model, 1)
    # Pictures that leave [0, 1].
    kernel = model.decoder.get_layer("stem_conv").kernel
    kernel.assign(4 * ops.convert_to_numpy(kernel))
    # The networks are switched on.
    for part in (model.encoder, model.decoder):
        scale = part.get_layer("network_scale").scale
        scale.assign(np.ones(scale.shape))
    random = np.random.default_rng(0)
    for weight in model.bottleneck.gains.weights:
        weight.assign(ops.convert_to_numpy(weight) + random.normal(scale=0.2, size=weight.shape))
    return Trainer(model, sigma=sigma, seed=3, **more)


def terms_of(trainer, images=IMAGES, weights=None, *, training=False):
    return trainer.objective(images, None, weights, training=training)[1]


def plain(terms):
    return {name: ops.convert_to_numpy(term) for name, term in terms.items()}


def lambdas_at(qualities, lambdas=LAMBDAS):
    return np.exp(np.interp(qualities - 1, np.arange(len(lambdas)), np.log(lambdas)))


def by_hand(trainer, latents, rate, qualities, distortion, lambdas=LAMBDAS, clipped=True):
    """Return the terms of each image, and the loss of all without a penalty, in float64 NumPy."""
    clean = IMAGES[: len(latents)].astype("float64") / 255
    shown = ops.convert_to_numpy(trainer.autoencoder.decoder(latents)).astype("float64")
    # Otherwise it is no matter whether what is compared was clipped.
    assert shown.max() > 1.01 or shown.min() < -0.01
    shown = np.clip(shown, 0, 1) if clipped else shown
    mse = ((clean - shown) ** 2).mean(axis=(1, 2, 3))
    if distortion == "mse":
        measured = 255**2 * mse
    else:
        from skimage.metrics import structural_similarity

        pairs = zip(clean, shown, strict=True)
        measured = np.array([1 - structural_similarity(a[..., 0], b[..., 0], data_range=1) for a, b in pairs])
    bits = ops.convert_to_numpy(rate).astype("float64") / np.log(2) / 32**2
    at = lambdas_at(qualities, lambdas)
    middle = np.prod(lambdas) ** (1 / len(lambdas))
    loss = ((at / middle) ** -0.5 * (bits + at * measured)).mean()
    return {"loss": loss, "distortion": measured, "bits_per_pixel": bits, "mse": mse}


@pytest.mark.parametrize("distortion", ["mse", "ssim"])
@pytest.mark.parametrize("lambdas", [LAMBDAS, (0.01,)], ids=["three", "one"])
def test_validation_terms_are_those_by_hand(distortion, lambdas):
    trainer = trainer_of(distortion, lambdas)
    # The middles of six equal parts of [1, levels].
    qualities = 1 + (np.arange(6) + 0.5) / 6 * (len(lambdas) - 1)
    found = plain(terms_of(trainer))
    model = trainer.autoencoder
    encoded = model.encoder(IMAGES.astype("float32") / 255)
    latents, rate = model.bottleneck(encoded, quality=qualities.astype("float32"))
    expected = by_hand(trainer, latents, rate, qualities, distortion, lambdas)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(found["rate"], ops.convert_to_numpy(rate), rtol=1e-5)


def test_validation_draws_nothing_and_rounds():
    trainer = trainer_of()
    first, again = plain(terms_of(trainer)), plain(terms_of(trainer))
    for name, value in first.items():
        np.testing.assert_array_equal(value, again[name])
    states = [variable for variable in trainer.variables if variable.name == "seed_generator_state"]
    # Noise of both kinds, that of the bottleneck, and the qualities.
    assert len(states) == 4
    before = [ops.convert_to_numpy(state).copy() for state in states]
    terms_of(trainer)
    for state, value in zip(states, before, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(state), value)
    terms_of(trainer, training=True)
    assert any((ops.convert_to_numpy(state) != value).any() for state, value in zip(states, before, strict=True))


def watched(trainer):
    """Return the list that the qualities, the noisy latents and the rate of every call of the bottleneck go to."""
    seen, bottleneck = [], trainer.autoencoder.bottleneck

    def call(encoded, training=False, quality=None):
        latents, rate = bottleneck(encoded, training=training, quality=quality)
        seen.append((ops.convert_to_numpy(quality), latents, rate, training))
        return latents, rate

    object.__setattr__(trainer.autoencoder, "bottleneck", call)
    trainer.autoencoder.__dict__["bottleneck"] = call
    return seen


@pytest.mark.parametrize("distortion", ["mse", "ssim"])
def test_training_terms_are_those_by_hand_at_the_qualities_that_were_drawn(distortion):
    trainer = trainer_of(distortion)
    seen = watched(trainer)
    loss, terms, _ = trainer.objective(IMAGES, None, training=True)
    [(qualities, latents, rate, training)] = seen
    assert training
    # In training the decoder's own numbers count, outside of [0, 1] too: clipped, they would have no gradient there.
    expected = by_hand(trainer, latents, rate, qualities, distortion, clipped=False)
    found = plain(terms)
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=2e-4, atol=1e-6, err_msg=name)
    np.testing.assert_array_equal(ops.convert_to_numpy(loss), found["loss"])


@pytest.mark.parametrize("count", [1, 4, 6])
def test_qualities_are_drawn_anew_one_in_each_part_of_the_range(count):
    trainer = trainer_of()
    seen = watched(trainer)
    for _ in range(12):
        terms_of(trainer, IMAGES[:count], training=True)
    drawn = np.stack([qualities for qualities, *_ in seen])
    parts = (drawn - 1) / 2 * count
    np.testing.assert_array_equal(np.floor(np.clip(parts, 0, count - 1e-6)), np.tile(np.arange(count), (12, 1)))
    assert drawn.min() >= 1
    assert drawn.max() <= 3
    within = parts - np.floor(parts)
    assert len(np.unique(within.round(6))) > 0.9 * within.size
    assert within.std() > 0.15


def test_the_penalty_counts_once_and_beside_the_weights_of_images():
    found, without = (plain(terms_of(trainer_of(l2=l2))) for l2 in (1e-3, 0.0))
    kernels = [weight for weight in trainer_of().autoencoder.trainable_variables if weight.name == "kernel"]
    squares = sum((ops.convert_to_numpy(kernel).astype("float64") ** 2).sum() for kernel in kernels)
    np.testing.assert_allclose(found["penalty"], 1e-3 * squares, rtol=1e-5)
    np.testing.assert_allclose(found["loss"] - without["loss"], found["penalty"], rtol=1e-3)
    assert without["penalty"] == 0


def test_what_fills_a_batch_up_with_weight_0_changes_no_loss():
    trainer = trainer_of(lambdas=(0.01,))
    spoiled = np.concatenate([IMAGES, 255 - IMAGES[:2]])
    weights = ops.convert_to_tensor(np.array([1] * 6 + [0] * 2, "float32"))
    filled, alone = plain(terms_of(trainer, spoiled, weights)), plain(terms_of(trainer))
    np.testing.assert_allclose(filled["loss"], alone["loss"], rtol=1e-5)


@pytest.mark.parametrize("distortion", ["mse", "ssim"])
def test_every_weight_has_a_finite_gradient(distortion):
    trainer = trainer_of(distortion)
    gradients, _ = trainer.gradients(ops.convert_to_tensor(IMAGES), None)
    for variable, gradient in zip(trainer.trainable_variables, gradients, strict=True):
        gradient = ops.convert_to_numpy(gradient)
        assert np.isfinite(gradient).all(), variable.path
        assert gradient.any(), variable.path


def recipe_of(**objective):
    return recipe_from(
        {
            "model": {"kind": "factorized_prior", "widths": [4, 6], "latent_channels": 5},
            "data": {"image_size": 32},
            "objective": objective,
            "regularizer": {"l2": 1e-5},
            "training": {"learning_rate": 3e-3, "flip": True, "shift": 2, "stretch": 0.1},
        },
        name="codec",
        origin="here",
    )


@pytest.mark.parametrize("distortion", ["mse", "ssim"])
def test_fitting_lowers_the_loss_and_logs_rate_and_distortion(distortion):
    trainer = build_trainer(recipe_of(distortion=distortion), steps_per_epoch=6)
    assert trainer.autoencoder.rate_distortion == distortion
    assert trainer.flip is not None
    assert trainer.shift.most == 2
    assert trainer.stretch.most == 0.1
    images = smooth_images(48)
    before = trainer.evaluate(images, batch_size=8, verbose=0, return_dict=True)
    history = trainer.fit(images, batch_size=8, epochs=8, validation_data=(images,), verbose=0).history
    names = {"loss", "distortion", "rate", "bits_per_pixel", "penalty", "mse"}
    assert set(history) >= names | {f"val_{name}" for name in names}
    assert history["val_loss"][-1] < 0.95 * before["loss"]
    for prefix in ("", "val_"):
        np.testing.assert_allclose(
            history[f"{prefix}bits_per_pixel"], np.array(history[f"{prefix}rate"]) / np.log(2) / 32**2, rtol=1e-4
        )


def test_the_sentence_names_units_levels_and_penalty():
    many, one, structure = (
        objective_sentence(recipe_of(**change), build_model(recipe_of(**change)))
        for change in ({"lambdas": [0.001, 0.01]}, {"lambdas": [0.01]}, {"lambdas": [5.0], "distortion": "ssim"})
    )
    assert many == (
        "bits per pixel + λ · 255² · mean squared error, λ from 0.001 to 0.01 over 2 quality levels, each image "
        "weighted by λ^−½, mean over the batch + 1e-05 · Σw² over all kernels"
    )
    assert one.startswith("bits per pixel + 0.01 · 255² · mean squared error, mean over the batch + 1e-05")
    assert structure.startswith("bits per pixel + 5 · (1 − SSIM), mean over the batch")


def test_the_best_epoch_is_that_of_the_least_validation_loss():
    assert best_by(recipe_of(), build_model(recipe_of())) == "val_loss"
    other = recipe_from({"model": {"kind": "conv_autoencoder"}}, name="ae", origin="here")
    assert best_by(other, build_model(other)) == "val_mse"
