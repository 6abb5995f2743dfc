"""A model while it is trained by a recipe."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import ops

from kerasae.layers import GaussianCorruption, RandomFlip, RandomShift, RandomStretch
from kerasae.models import Autoencoder, build_model
from kerasae.models.steps import Step
from kerasae.recipes import GivenModel, Recipe
from kerasae.recipes.section import CodeModel
from kerasae.runtime import worth_compiling


class FirstNonFinite(keras.metrics.Metric):
    """The step of the epoch, counted from 1, at which the loss first was NaN or infinite; 0 if it never was.

    Kept as state beside the model's, so that it is read when the progress bar is, and still names the exact step.
    """

    def __init__(self, name="first_non_finite", **kwargs):
        super().__init__(name=name, **kwargs)
        self.steps = self.add_variable((), "zeros", dtype="int32", name="steps")
        self.first = self.add_variable((), "zeros", dtype="int32", name="first")

    def update_state(self, loss):
        """Count one step and look at its loss, a scalar."""
        steps, first = self.steps.value + 1, self.first.value
        unseen_and_bad = ops.logical_and(ops.equal(first, 0), ops.logical_not(ops.isfinite(loss)))
        self.steps.assign(steps)
        self.first.assign(ops.where(unseen_and_bad, steps, first))

    def result(self):
        """Return the step, or 0."""
        return ops.cast(self.first.value, "float32")


def _scaled(images):
    # Not by what they are: a stretched image of [0, 255] is made of floats.
    return ops.cast(images, "float32") / 255.0


class Trainer(Step, keras.Model):
    """Wraps a model with its noise, its augmentation and a watch over the loss.

        uint8 images ─/255, augment─▶ clean ─noise─▶ noisy ─autoencoder─▶ reconstruction, rate
                                        └────────────── distortion ─────────────┘

    Batches are uint8 ``(batch, height, width, channels)``; scaling and noise happen inside the compiled step, on the
    device that trains. What is minimised, and which terms ``fit`` logs, is the model's ``objective``; the input is
    noisy in validation too. Where batches are split over devices they come with weights ``(batch,)``, 0 for images that
    only fill a batch up and take no part in loss, gradient or means.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        *,
        sigma: float = 0.0,
        seed: int = 0,
        flip: bool = False,
        shift: int | None = None,
        stretch: float | None = None,
    ):
        super().__init__(name="trainer")
        self.autoencoder = autoencoder
        # Two generators, so that looking at the validation images does not change how training goes on.
        self.noise = GaussianCorruption(sigma, seed=seed + 1, name="noise")
        self.validation_noise = GaussianCorruption(sigma, seed=seed + 2, name="validation_noise")
        self.flip = RandomFlip(seed=seed + 3, name="flip") if flip else None
        self.shift = RandomShift(shift, seed=seed + 4, name="shift") if shift else None
        # seed + 5 is that of the qualities of a learned codec.
        self.stretch = RandomStretch(stretch, seed=seed + 6, name="stretch") if stretch else None
        self.watch = FirstNonFinite()
        # All parts are built; there is no input of the trainer's own to build from.
        self.built = True

    @property
    def metrics(self):
        """The model's trackers and the watch, which ``fit`` resets at every epoch."""
        return [*self.autoencoder.trackers.values(), self.watch]

    def unpack(self, data, *, training: bool):
        """Return ``(inputs, targets, weights)`` of what a step is given: uint8 images, alone or with weights.

        Inputs are under fresh noise; targets are None where they are the inputs.
        """
        images, weights = (*data, None)[:2] if isinstance(data, tuple | list) else (data, None)
        if training:
            for layer in (self.flip, self.stretch, self.shift):
                images = images if layer is None else layer(images)
        if self.noise.sigma == 0:
            return images, None, weights
        clean = _scaled(images)
        return (self.noise if training else self.validation_noise)(clean), clean, weights

    def objective(self, inputs, targets, weights=None, *, training: bool):
        """Return the model's ``(loss, terms, reconstructions)`` of one batch, as ``unpack`` gives it."""
        if targets is None:
            inputs = targets = _scaled(inputs)
        return self.autoencoder.objective(inputs, targets, weights, training=training)

    def parts(self, inputs) -> int:
        """Return in how many equal parts, one after another, a batch is computed; see ``models.steps.jax``."""
        return self.autoencoder.parts(inputs)

    def save(self, filepath, **kwargs):
        """Save the model itself: what a callback such as ``ModelCheckpoint`` means."""
        self.autoencoder.save(filepath, **kwargs)

    def save_weights(self, filepath, **kwargs):
        """Save the model's own weights."""
        self.autoencoder.save_weights(filepath, **kwargs)

    def track(self, terms, targets, reconstructions, weights=None):
        """Update the trackers and return their values so far; a scalar term counts once for every image."""
        images = ops.ones_like(terms["mse"])
        trackers = self.autoencoder.trackers
        for name, term in terms.items():
            trackers[name].update_state(term * images, sample_weight=weights)
        self.watch.update_state(terms["loss"])
        return {name: trackers[name].result() for name in terms} | {self.watch.name: self.watch.result()}


def objective_sentence(recipe: Recipe, model: Autoencoder) -> str:
    """Return the objective in words and units, as it is stored with a run: it sets how strong a penalty of 1e-5 is."""
    terms = [
        f"{weight:g} · {what}"
        for weight, what in ((recipe.regularizer.l1, "Σ|w|"), (recipe.regularizer.l2, "Σw²"))
        if weight
    ]
    if terms:
        terms[-1] += " over all kernels"
    if isinstance(recipe.model, CodeModel | GivenModel) and (
        model.losses or any(variable.regularizer is not None for variable in model.trainable_variables)
    ):
        terms = ["what the networks' own regularisers and add_loss ask for"]
    return " + ".join([model.objective_in_words(), *terms])


def best_by(recipe: Recipe, model: Autoencoder) -> str:
    """Return the name of the validation metric that the best epoch is chosen by, never the penalised loss."""
    return "val_loss" if model.has_entropy_model else recipe.training.best_by


def build_trainer(recipe: Recipe, *, steps_per_epoch: int, model: Autoencoder | None = None) -> Trainer:
    """Return a compiled trainer, its optimizer built, ready to ``fit`` or to be restored from a checkpoint.

    ``model`` is trained instead of one that the recipe builds; where it was compiled, by an optimizer like its own, but
    for what the recipe asks for.
    """
    training = recipe.training
    trainer = Trainer(
        build_model(recipe) if model is None else model,
        sigma=recipe.noise.sigma,
        seed=training.seed,
        flip=training.flip,
        shift=training.shift,
        stretch=training.stretch,
    )
    given = model.optimizer if model is not None and model.compiled else None
    optimizer = _optimizer(recipe, steps_per_epoch, given)
    trainer.compile(optimizer=optimizer, jit_compile=worth_compiling())
    optimizer.build(trainer.trainable_variables)
    return trainer


def _optimizer(recipe: Recipe, steps_per_epoch: int, given=None) -> keras.optimizers.Optimizer:
    """Return Adam, or one like ``given``, as the recipe asks: what it leaves out is that of ``given``."""
    training = recipe.training
    learning_rate = training.learning_rate
    if training.schedule == "cosine":
        steps = training.epochs * steps_per_epoch
        warm_up = max(1, steps // 20)
        learning_rate = keras.optimizers.schedules.CosineDecay(
            0.0, max(1, steps - warm_up), alpha=0.01, warmup_target=learning_rate, warmup_steps=warm_up
        )
    asked = {"weight_decay": training.weight_decay or None, "global_clipnorm": training.clip_norm}
    if training.ema is not None:
        asked |= {"use_ema": True, "ema_momentum": training.ema}
    if given is None:
        return keras.optimizers.Adam(learning_rate, **asked)
    plain = keras.optimizers.serialize(given)
    config = plain["config"] | {key: value for key, value in asked.items() if value is not None}
    if training.schedule == "cosine" or learning_rate != float(keras.ops.convert_to_numpy(given.learning_rate)):
        config["learning_rate"] = keras.saving.serialize_keras_object(learning_rate)
    return keras.optimizers.deserialize(plain | {"config": config})


@contextmanager
def averaged(trainer: Trainer) -> Iterator[None]:
    """Give the trainer's weights the values of their moving averages for a while, where the optimizer keeps such."""
    optimizer = trainer.optimizer
    if not optimizer.use_ema:
        yield
        return
    # Copies in memory: what is on the device is given away by the next step.
    weights = trainer.trainable_variables
    own = [np.array(keras.ops.convert_to_numpy(weight.value)) for weight in weights]
    try:
        for weight, average in zip(weights, optimizer._model_variables_moving_average, strict=True):
            if average is not None:
                weight.assign(np.array(keras.ops.convert_to_numpy(average.value)))
        yield
    finally:
        for weight, value in zip(weights, own, strict=True):
            weight.assign(value)
