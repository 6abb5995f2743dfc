"""A model while it is trained."""

import keras
import numpy as np
from keras import ops

from kerasae.layers import GaussianCorruption, RandomFlip, RandomShift, RandomStretch, level_shares
from kerasae.metrics import ssim
from kerasae.models import Autoencoder, build_model
from kerasae.recipes import Recipe
from kerasae.runtime import worth_compiling
from kerasae.training.objectives import batch_mean, distortion, weight_penalty
from kerasae.training.objectives import distortion as squared_error
from kerasae.training.steps import Step


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


_TERMS = ("loss", "distortion", "rate", "penalty", "mse")


class Trainer(Step, keras.Model):
    """Wraps a autoencoder with its noise, its objective and a tracker per term.

    ::

        uint8 images ─/255, flip─▶ clean ─noise─▶ noisy ─autoencoder─▶ reconstruction, rate
                                     └────────────── distortion ──────────┘

    Batches are uint8 ``(batch, height, width, channels)``; scaling and noise happen inside the compiled step, on the
    device that trains. ``convention`` is one of those of ``training.objective``. ``fit`` logs the means over images of
    ``loss``, ``distortion``, ``rate`` (nats), ``penalty`` and ``mse``; validation adds ``val_`` and, for variational
    models, ``val_mse_sample``: there the distortion and ``val_mse`` are those of the posterior mean, under the same
    noise as in training. Where batches are split over devices they come with weights ``(batch,)``, 0 for images that
    only fill a batch up and take no part in loss, gradient or means.
    """

    def __init__(
        self,
        autoencoder: Autoencoder,
        *,
        convention: str,
        rate_weight: float,
        sigma: float,
        seed: int,
        flip: bool = False,
        shift: int | None = None,
        stretch: float | None = None,
    ):
        super().__init__(name="trainer")
        self.autoencoder = autoencoder
        self.convention = convention
        self.rate_weight = rate_weight
        # Two generators, so that looking at the validation images does not change how training goes on.
        self.noise = GaussianCorruption(sigma, seed=seed + 1, name="noise")
        self.validation_noise = GaussianCorruption(sigma, seed=seed + 2, name="validation_noise")
        self.flip = RandomFlip(seed=seed + 3, name="flip") if flip else None
        self.shift = RandomShift(shift, seed=seed + 4, name="shift") if shift else None
        # seed + 5 is that of the qualities of a learned codec.
        self.stretch = RandomStretch(stretch, seed=seed + 6, name="stretch") if stretch else None
        self.trackers = {name: keras.metrics.Mean(name=name) for name in _TERMS}
        if autoencoder.is_variational:
            self.trackers["mse_sample"] = keras.metrics.Mean(name="mse_sample")
        self.watch = FirstNonFinite()
        # All parts are built; there is no input of the trainer's own to build from.
        self.built = True

    @property
    def metrics(self):
        """The trackers, which ``fit`` resets at every epoch."""
        return [*self.trackers.values(), self.watch]

    def forward(self, images, weights=None):
        """Return ``(loss, terms)`` of one batch of uint8 images, with fresh noise and a fresh sample."""
        clean = self.augmented(images)
        encoded = self.autoencoder.encoder(self.noise(clean), training=True)
        latents, rate = self.autoencoder.bottleneck(encoded, sample=True)
        reconstructions = self.autoencoder.decoder(latents, training=True)
        terms = self._terms(clean, reconstructions, rate, weights)
        return terms["loss"], terms

    def augmented(self, images):
        """Return uint8 images as float in [0, 1], mirrored, stretched and moved at random where training is to be."""
        for layer in (self.flip, self.stretch, self.shift):
            images = images if layer is None else layer(images)
        return ops.cast(images, "float32") / 255.0

    def validate(self, images, weights=None):
        """Return the terms of one batch of uint8 images, of the posterior mean, and ``mse_sample``."""
        clean = ops.cast(images, "float32") / 255.0
        encoded = self.autoencoder.encoder(self.validation_noise(clean))
        latents, rate = self.autoencoder.bottleneck(encoded)
        terms = self._terms(clean, self.autoencoder.decoder(latents), rate, weights)
        if self.autoencoder.is_variational:
            sample, _ = self.autoencoder.bottleneck(encoded, sample=True)
            terms["mse_sample"] = distortion(clean, self.autoencoder.decoder(sample), "mean_squared_error")
        return terms

    def _terms(self, clean, reconstructions, rate, weights):
        per_image = distortion(clean, reconstructions, self.convention, weights)
        penalty = weight_penalty(self.autoencoder.trainable_variables)
        loss = batch_mean(per_image, weights) + self.rate_weight * batch_mean(rate, weights) + penalty
        mse = per_image
        if self.convention != "mean_squared_error":
            mse = distortion(clean, reconstructions, "mean_squared_error")
        return {"loss": loss, "distortion": per_image, "rate": rate, "penalty": penalty, "mse": mse}

    def track(self, terms, weights=None):
        """Update the trackers and return their values so far; a scalar term counts once for every image."""
        images = ops.ones_like(terms["mse"])
        for name, term in terms.items():
            self.trackers[name].update_state(term * images, sample_weight=weights)
        self.watch.update_state(terms["loss"])
        shown = {name: self.trackers[name].result() for name in terms}
        return shown | {self.watch.name: self.watch.result()}


class RateDistortionTrainer(Trainer):
    """Minimises ``bits per pixel + λ · distortion``, each image at a quality of its own.

    ::

        uint8 images ─/255, flip─▶ clean ─noise─▶ noisy ─codec at quality q─▶ reconstruction, bits
                                     └────────── λ(q) · distortion ──────────────┘

    In training, qualities are drawn anew in each step, one in each of as many equal parts of [1, levels] as the batch
    has images; in validation they are the middles of these parts, and latents are rounded. Between levels log λ is
    interpolated, as the gains are.

    ``distortion_of`` is ``mse``, 255² · MSE, or ``ssim``, 1 − SSIM. An image's loss counts with (λ / λ̄)^−½, λ̄ being the
    geometric mean: bits grow about with √λ, and it is the relative saving that is to be the same at all rates.

    ``fit`` logs the means of ``loss`` (weighted so), ``distortion``, ``rate`` (nats), ``bits_per_pixel``, ``penalty``
    and ``mse``, and the same with ``val_``.
    """

    def __init__(self, autoencoder, *, lambdas, distortion_of: str, sigma: float, seed: int, **augmentation):
        super().__init__(
            autoencoder,
            convention="mean_squared_error",
            rate_weight=0.0,
            sigma=sigma,
            seed=seed,
            **augmentation,
        )
        self.log_lambdas = np.log(np.asarray(lambdas, "float32"))
        self.distortion_of = distortion_of
        self.qualities = keras.random.SeedGenerator(seed + 5)
        self.trackers["bits_per_pixel"] = keras.metrics.Mean(name="bits_per_pixel")

    def forward(self, images, weights=None):
        """Return ``(loss, terms)`` of one batch of uint8 images, with fresh noise, at fresh qualities."""
        clean = self.augmented(images)
        places = keras.random.uniform((ops.shape(images)[0],), seed=self.qualities)
        quality = self._spread(places)
        encoded = self.autoencoder.encoder(self.noise(clean), training=True)
        latents, rate = self.autoencoder.bottleneck(encoded, sample=True, quality=quality)
        terms = self._rated(clean, self.autoencoder.decoder(latents, training=True), rate, quality, weights)
        return terms["loss"], terms

    def validate(self, images, weights=None):
        """Return the terms of one batch of uint8 images, of rounded latents."""
        clean = ops.cast(images, "float32") / 255.0
        quality = self._spread(ops.full((ops.shape(images)[0],), 0.5, dtype="float32"))
        encoded = self.autoencoder.encoder(self.validation_noise(clean))
        latents, rate = self.autoencoder.bottleneck(encoded, quality=quality)
        return self._rated(clean, self.autoencoder.decode(latents), rate, quality, weights)

    def _spread(self, places):
        """Return a quality from 1 to ``levels`` for each image, from its place in [0, 1] within its part."""
        count = ops.shape(places)[0]
        share = (ops.cast(ops.arange(count), "float32") + places) / ops.cast(count, "float32")
        return 1.0 + share * (self.autoencoder.levels - 1)

    def _rated(self, clean, reconstructions, rate, quality, weights):
        bits = self.autoencoder.bits_per_pixel(rate)
        mse = squared_error(clean, reconstructions, "mean_squared_error")
        distortion = 255.0**2 * mse if self.distortion_of == "mse" else 1.0 - ssim(clean, reconstructions)
        log_lambdas = self._log_lambdas(quality)
        balance = ops.exp(-0.5 * (log_lambdas - float(self.log_lambdas.mean())))
        penalty = weight_penalty(self.autoencoder.trainable_variables)
        loss = batch_mean(balance * (bits + ops.exp(log_lambdas) * distortion), weights) + penalty
        return {
            "loss": loss,
            "distortion": distortion,
            "rate": rate,
            "bits_per_pixel": bits,
            "penalty": penalty,
            "mse": mse,
        }

    def _log_lambdas(self, quality):
        shares = level_shares(quality, len(self.log_lambdas))
        return ops.matmul(shares, ops.convert_to_tensor(self.log_lambdas)[:, None])[:, 0]


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
