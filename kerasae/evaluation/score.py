"""Numbers per image → score rows."""

import math

import numpy as np

from kerasae.evaluation.measure import Measured
from kerasae.evaluation.summarise import summarise
from kerasae.records import Score

# Burda, Grosse & Salakhutdinov 2016: a latent is active if its posterior mean varies over images by more than this.
ACTIVE_VARIANCE = 0.01


def score_rows(measured: Measured, *, run: str, data: str, split: str, sigma: float) -> list[Score]:
    """Return one score for each thing that was decoded: ``latents``, or ``mean`` and ``sample``, or ``input``."""
    rows = []
    for decoded_from, metrics in measured.metrics.items():
        extra = {}
        if measured.kl is not None:
            extra = {"kl_nats": float(measured.kl.mean()), "active_units": active_units(measured.means)}
        if measured.bits_per_pixel is not None:
            extra = {"bits_per_pixel": float(measured.bits_per_pixel.mean())}
        mean_mse = float(metrics["mse"].mean())
        rows.append(
            Score(
                run=run,
                data=data,
                split=split,
                sigma=sigma,
                decoded_from=decoded_from,
                count=len(measured.names),
                psnr_of_mean_mse=-10 * math.log10(max(mean_mse, 1e-10)),
                **{name: summarise(values) for name, values in metrics.items()},
                **extra,
            )
        )
    return rows


def active_units(means: np.ndarray) -> int:
    """Return how many latents' posterior means ``(images, latents)`` have a variance over images above 0.01."""
    return int((means.var(axis=0) > ACTIVE_VARIANCE).sum())
