"""``VariationalAutoencoder``: an encoder of means and log variances, KL divergence as the rate."""

import math
from typing import Literal

import keras

from kerasae.entropy import GaussianBottleneck
from kerasae.errors import ModelError
from kerasae.models.base import Autoencoder, batch_mean, distortion_of


@keras.saving.register_keras_serializable(package="kerasae")
class VariationalAutoencoder(Autoencoder):
    """An encoder that gives mean and log variance, a sample of that posterior in training, and a decoder.

        images ──encoder──▶ mean, log variance ──sample──▶ z ──decoder──▶ reconstructions
                                    └──▶ KL(N(mean, variance) ‖ N(0, 1)), the rate in nats

    Minimises ``distortion + beta · KL``, both summed, averaged over the batch (Kingma & Welling 2014; Higgins et al.
    2017 for ``beta``). ``likelihood`` says which distortion: ``unit``, the squared error summed over pixels;
    ``calibrated``, the negative log-likelihood under a Gaussian whose variance is the batch's own mean squared error
    (σ-VAE, Rybkin et al. 2021). Outside of training the mean is decoded; ``evaluate`` and validation log
    ``mse_sample`` besides, the squared error of a decoded sample.

    Mean and log variance are ``(batch, …)`` of one shape; all else is as in ``Autoencoder``.
    """

    is_variational = True
    extra_terms = ("mse_sample",)

    def __init__(
        self,
        encoder: keras.Model,
        decoder: keras.Model,
        *,
        beta: float = 1.0,
        likelihood: Literal["unit", "calibrated"] = "unit",
        seed: int = 0,
        **kwargs,
    ):
        if not isinstance(beta, int | float) or beta < 0 or likelihood not in ("unit", "calibrated"):
            raise ModelError(
                f"beta = {beta!r} and likelihood = {likelihood!r}; beta is a number of at least 0, a likelihood "
                "'unit' or 'calibrated'"
            )
        self.beta = float(beta)
        self.likelihood = likelihood
        self.seed = seed
        # The exponential and the divergence need float32, whatever the networks compute in.
        bottleneck = GaussianBottleneck(seed=seed, rate_weight=0.0, dtype="float32", name="bottleneck")
        super().__init__(encoder, decoder, bottleneck=bottleneck, **kwargs)

    @property
    def latent_size(self) -> int:
        """Numbers of the latents of one image."""
        return math.prod(self.latent_shape)

    def objective(self, inputs, targets, weights=None, *, training: bool):
        """Return ``(loss, terms, reconstructions)`` of one batch; see ``Autoencoder.objective``."""
        encoded = self.encoder(inputs, training=training)
        latents, rate = self.bottleneck(encoded, training=training)
        reconstructions = self._decoded(latents, training)
        penalty = self.penalty()
        distortion, mse = self.distortion(targets, reconstructions, weights, default=self.likelihood)
        loss = batch_mean(distortion, weights) + self.beta * batch_mean(rate, weights) + penalty
        terms = {"loss": loss, "distortion": distortion, "rate": rate, "penalty": penalty, "mse": mse}
        if not training:
            sample, _ = self.bottleneck(encoded, training=True)
            terms["mse_sample"] = distortion_of(targets, self._decoded(sample, training), "mean_squared_error")
        return loss, terms, reconstructions

    def objective_in_words(self) -> str:
        """Return what is minimised, in words and units, without the penalties."""
        likelihood = {
            "unit": "squared error, summed over pixels, mean over the batch",
            "calibrated": "negative log-likelihood in nats per image, Gaussian with the batch's own MSE as variance",
        }[self.likelihood]
        distortion = self._loss_in_words(likelihood)
        return f"{distortion} + {self.beta:g} · KL in nats, summed over latents, mean over the batch"

    def _decoded(self, latents, training: bool):
        return keras.ops.cast(self.decoder(latents, training=training), "float32")

    def get_config(self):
        """Return what is needed to build the model again."""
        return super().get_config() | {"beta": self.beta, "likelihood": self.likelihood, "seed": self.seed}
