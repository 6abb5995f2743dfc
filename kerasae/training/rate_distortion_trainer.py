"""A learned codec while it is trained, at all of its rates at once."""

import keras
import numpy as np
from keras import ops

from kerasae.layers import level_shares
from kerasae.metrics import ssim
from kerasae.training.objective import batch_mean, weight_penalty
from kerasae.training.objective import distortion as squared_error
from kerasae.training.trainer import Trainer


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

    def __init__(self, compressor, *, lambdas, distortion_of: str, sigma: float, seed: int, **augmentation):
        super().__init__(
            compressor,
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
        encoded = self.compressor.encoder(self.noise(clean), training=True)
        latents, rate = self.compressor.bottleneck(encoded, sample=True, quality=quality)
        terms = self._rated(clean, self.compressor.decoder(latents, training=True), rate, quality, weights)
        return terms["loss"], terms

    def validate(self, images, weights=None):
        """Return the terms of one batch of uint8 images, of rounded latents."""
        clean = ops.cast(images, "float32") / 255.0
        quality = self._spread(ops.full((ops.shape(images)[0],), 0.5, dtype="float32"))
        encoded = self.compressor.encoder(self.validation_noise(clean))
        latents, rate = self.compressor.bottleneck(encoded, quality=quality)
        return self._rated(clean, self.compressor.decode(latents), rate, quality, weights)

    def _spread(self, places):
        """Return a quality from 1 to ``levels`` for each image, from its place in [0, 1] within its part."""
        count = ops.shape(places)[0]
        share = (ops.cast(ops.arange(count), "float32") + places) / ops.cast(count, "float32")
        return 1.0 + share * (self.compressor.levels - 1)

    def _rated(self, clean, reconstructions, rate, quality, weights):
        bits = self.compressor.bits_per_pixel(rate)
        mse = squared_error(clean, reconstructions, "mean_squared_error")
        distortion = 255.0**2 * mse if self.distortion_of == "mse" else 1.0 - ssim(clean, reconstructions)
        log_lambdas = self._log_lambdas(quality)
        balance = ops.exp(-0.5 * (log_lambdas - float(self.log_lambdas.mean())))
        penalty = weight_penalty(self.compressor.trainable_variables)
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
