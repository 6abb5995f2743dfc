"""``Recipe`` → everything that ``fit`` needs."""

import keras

from kerasae.models import build_model
from kerasae.recipe import Recipe
from kerasae.runtime import worth_compiling
from kerasae.training.rate_distortion_trainer import RateDistortionTrainer
from kerasae.training.trainer import Trainer


def convention_of(recipe: Recipe) -> str:
    """Return the distortion's convention, a name of ``training.objective``."""
    return recipe.objective.likelihood if recipe.model.is_variational else "mean_squared_error"


def objective_sentence(recipe: Recipe) -> str:
    """Return the objective in words and units, as it is stored with a run: it sets how strong a penalty of 1e-5 is."""
    if recipe.model.has_entropy_model:
        return " + ".join([_rate_distortion_words(recipe), *_penalty_terms(recipe)])
    words = {
        "mean_squared_error": "squared error, mean over pixels, mean over the batch",
        "unit": "squared error, summed over pixels, mean over the batch",
        "calibrated": "negative log-likelihood in nats per image, Gaussian with the batch's own MSE as variance",
    }[convention_of(recipe)]
    if recipe.model.is_variational:
        words += f" + {recipe.objective.rate_weight:g} · KL in nats, summed over latents, mean over the batch"
    return " + ".join([words, *_penalty_terms(recipe)])


def _rate_distortion_words(recipe: Recipe) -> str:
    lambdas = recipe.objective.lambdas
    what = {"mse": "255² · mean squared error", "ssim": "(1 − SSIM)"}[recipe.objective.distortion]
    if len(lambdas) == 1:
        return f"bits per pixel + {lambdas[0]:g} · {what}, mean over the batch"
    return (
        f"bits per pixel + λ · {what}, λ from {lambdas[0]:g} to {lambdas[-1]:g} over {len(lambdas)} quality levels, "
        "each image weighted by λ^−½, mean over the batch"
    )


def _penalty_terms(recipe: Recipe) -> list[str]:
    terms = [
        f"{weight:g} · {what}"
        for weight, what in ((recipe.regularizer.l1, "Σ|w|"), (recipe.regularizer.l2, "Σw²"))
        if weight
    ]
    return [*terms[:-1], f"{terms[-1]} over all kernels"] if terms else []


def best_by(recipe: Recipe) -> str:
    """Return the name of the validation metric that the best epoch is chosen by."""
    return "val_loss" if recipe.model.has_entropy_model else recipe.training.best_by


def build_trainer(recipe: Recipe, *, steps_per_epoch: int) -> Trainer:
    """Return a compiled trainer, its optimizer built, ready to ``fit`` or to be restored from a checkpoint."""
    training = recipe.training
    trainer = _new_trainer(recipe)
    learning_rate = training.learning_rate
    if training.schedule == "cosine":
        steps = training.epochs * steps_per_epoch
        warm_up = max(1, steps // 20)
        learning_rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm_up), alpha=0.01, warmup_target=learning_rate, warmup_steps=warm_up
        )
    optimizer = keras.optimizers.Adam(
        learning_rate, weight_decay=training.weight_decay or None, global_clipnorm=training.clip_norm
    )
    trainer.compile(optimizer=optimizer, jit_compile=worth_compiling())
    optimizer.build(trainer.trainable_variables)
    return trainer


def _new_trainer(recipe: Recipe) -> Trainer:
    training, objective = recipe.training, recipe.objective
    augmentation = {"flip": training.flip, "shift": training.shift, "stretch": training.stretch}
    shared = {"sigma": recipe.noise.sigma, "seed": training.seed, **augmentation}
    if recipe.model.has_entropy_model:
        return RateDistortionTrainer(
            build_model(recipe), lambdas=objective.lambdas, distortion_of=objective.distortion, **shared
        )
    return Trainer(
        build_model(recipe),
        convention=convention_of(recipe),
        rate_weight=objective.rate_weight if recipe.model.is_variational else 0.0,
        **shared,
    )
