"""Numbers per image → what the latents of a variational model say."""

import math

import numpy as np

from kerasae.evaluation.measure import Measured
from kerasae.evaluation.score import ACTIVE_VARIANCE, active_units
from kerasae.recipe import Recipe
from kerasae.records import LatentRecord
from kerasae.training.objective import LEAST_VARIANCE


def latent_record(measured: Measured, recipe: Recipe, *, split: str) -> LatentRecord:
    """Return KL per latent, active units and ELBO of what ``measure`` found on the clean images of ``split``.

    The expected log-likelihood is that of one sample per image, the fixed one that was scored:
    log p(x|z) = −D/2 · log(2πσ²) − D·MSE / (2σ²) with D numbers an image; the ELBO is its mean less that of the KL
    divergence (Kingma & Welling 2014). Both in nats per image.
    """
    mse = measured.metrics["sample"]["mse"]
    variance, words = _likelihood(recipe, float(mse.mean()))
    numbers = recipe.data.image_size**2 * recipe.data.channels
    log_likelihood = -0.5 * numbers * (math.log(2 * math.pi * variance) + float(mse.mean()) / variance)
    kl = measured.kl_per_latent.astype("float64").mean(axis=0)
    return LatentRecord(
        split=split,
        images=len(measured.names),
        kl_nats=tuple(kl.tolist()),
        mean_variance=tuple(measured.means.var(axis=0).tolist()),
        active_units=active_units(measured.means),
        active_threshold=ACTIVE_VARIANCE,
        log_likelihood_nats=log_likelihood,
        elbo_nats=log_likelihood - float(np.sum(kl)),
        likelihood=words,
    )


def _likelihood(recipe: Recipe, mse: float) -> tuple[float, str]:
    """Return the variance of the decoder's Gaussian, and where it comes from."""
    weight = recipe.objective.rate_weight
    if recipe.objective.likelihood == "calibrated":
        variance = max(mse, LEAST_VARIANCE)
        return variance, f"Gaussian, variance {variance:.3g}: the mean squared error of the samples over these images"
    if weight == 0:
        return 0.5, "Gaussian, variance 0.5; trained with rate weight 0, which implies no variance of its own"
    # SSE + β·KL is β times SSE/(2σ²) + KL with σ² = β/2, up to a constant.
    variance = weight / 2
    return variance, (
        f"Gaussian, variance {variance:g}, implied by the objective: "
        f"squared error summed over pixels + {weight:g} · KL, up to a constant"
    )
