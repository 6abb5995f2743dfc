"""A model while it is trained."""

import keras
from keras import ops

from kerasae.layers import GaussianCorruption, RandomFlip, RandomShift, RandomStretch
from kerasae.models import Compressor
from kerasae.training.first_non_finite import FirstNonFinite
from kerasae.training.objective import batch_mean, distortion, weight_penalty
from kerasae.training.steps import Step

_TERMS = ("loss", "distortion", "rate", "penalty", "mse")


class Trainer(Step, keras.Model):
    """Wraps a compressor with its noise, its objective and a tracker per term.

    ::

        uint8 images ─/255, flip─▶ clean ─noise─▶ noisy ─compressor─▶ reconstruction, rate
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
        compressor: Compressor,
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
        self.compressor = compressor
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
        if compressor.is_variational:
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
        encoded = self.compressor.encoder(self.noise(clean), training=True)
        latents, rate = self.compressor.bottleneck(encoded, sample=True)
        reconstructions = self.compressor.decoder(latents, training=True)
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
        encoded = self.compressor.encoder(self.validation_noise(clean))
        latents, rate = self.compressor.bottleneck(encoded)
        terms = self._terms(clean, self.compressor.decoder(latents), rate, weights)
        if self.compressor.is_variational:
            sample, _ = self.compressor.bottleneck(encoded, sample=True)
            terms["mse_sample"] = distortion(clean, self.compressor.decoder(sample), "mean_squared_error")
        return terms

    def _terms(self, clean, reconstructions, rate, weights):
        per_image = distortion(clean, reconstructions, self.convention, weights)
        penalty = weight_penalty(self.compressor.trainable_variables)
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
