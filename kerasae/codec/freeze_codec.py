"""Learned codec + training images → quantisers and tables of its qualities."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kerasae.codec.fit_tables import fit_tables
from kerasae.codec.freeze_hyper import hyper_levels
from kerasae.codec.frozen import Frozen, weights_digest
from kerasae.codec.level import Level
from kerasae.codec.network import Network
from kerasae.codec.predictor import Predictor
from kerasae.codec.quantiser import fit_quantiser
from kerasae.codec.training_sample import encoded, mean_psnr, rate_and_errors, squared_errors, training_sample

# Qualities are frozen in these parts of one.
PARTS = 4
# Widths of the dead zone that are tried at each quality, in steps, and the images they are tried on.
DEAD_ZONES = (0.0, 0.05, 0.1, 0.15, 0.2)
_TRIED_IMAGES = 64
_PSNR_IMAGES = 64


def freeze_codec(
    network: Network,
    images: np.ndarray,
    indexes: np.ndarray,
    *,
    lambdas: Sequence[float] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Frozen:
    """Return the frozen qualities of a learned codec, the highest first, from ``images`` of its training split alone.

    Steps, offsets and corrections are those that were trained; what the decoder puts in the place of an integer is the
    mean of the training latents that round to it. The dead zone of each quality is the one under which bits per pixel
    + λ · 255² · MSE is least, over training images; ``lambdas`` are those of the recipe, and without them there is
    none. Tables are fitted to the integers of all training images.
    """
    chosen = training_sample(network, images, indexes)
    latents = encoded(network, chosen)
    qualities = qualities_of(network.model.levels)
    few, originals = latents[:_PSNR_IMAGES], chosen[:_PSNR_IMAGES]

    found: dict[int, float] = {}

    def dead_zone(level_of: Callable[[float], Level], quality: float) -> float:
        # It changes little from quality to quality: looked for at whole ones, from the highest down.
        whole = math.ceil(quality)
        if whole not in found:
            weight = lambda_at(lambdas, quality)
            tried = latents[:_TRIED_IMAGES], originals[:_TRIED_IMAGES]
            found[whole] = _best_dead_zone(network, *tried, level_of, weight)
        return found[whole]

    levels = _levels(network.model.bottleneck, latents, qualities, dead_zone)
    psnr, bits = [], []
    for level in levels:
        rate, errors = rate_and_errors(network, level, few, originals)
        bits.append(rate)
        psnr.append(mean_psnr(errors))
        if progress:
            progress(len(psnr), len(qualities))
    return Frozen(
        tuple(levels),
        network.geometry,
        int(np.argmin(np.abs(np.array(qualities) - network.model.default_quality))),
        weights_digest(network.model.get_weights()),
        tuple(psnr),
        tuple(bits),
        mean_psnr(squared_errors(network, _as_decoded(network, few), originals)),
        len(chosen),
        qualities,
    )


def _as_decoded(network: Network, latents: np.ndarray) -> np.ndarray:
    """Return latents that are not rounded, as the decoder is given them at the highest quality."""
    _, corrections = network.model.bottleneck.gains.steps(network.model.levels)
    return (latents[..., : network.channels] * corrections).astype(np.float32)


def qualities_of(levels: int) -> tuple[float, ...]:
    """Return the qualities that are frozen of so many levels, the highest first."""
    return tuple(float(levels - part / PARTS) for part in range((levels - 1) * PARTS + 1))


def lambda_at(lambdas: Sequence[float], quality: float) -> float | None:
    """Return λ at a quality, between levels in equal ratios; None where there are no lambdas."""
    if not len(lambdas):
        return None
    return float(np.exp(np.interp(quality - 1, np.arange(len(lambdas)), np.log(lambdas))))


def _levels(bottleneck, latents: np.ndarray, qualities: Sequence[float], dead_zone) -> list:
    if hasattr(bottleneck, "synthesis"):
        return hyper_levels(bottleneck, latents, qualities, dead_zone)
    medians = bottleneck.density_medians()

    def fitted(some: np.ndarray, quality: float, zone: float) -> Level:
        steps, corrections = bottleneck.gains.steps(quality)
        flat = some.reshape(-1, len(steps))
        quantiser = fit_quantiser(flat, steps, offsets=medians, corrections=corrections, dead_zone=zone)
        none = np.full(len(steps), Predictor.NONE, "u1")
        level = Level(quantiser, none, np.zeros(len(steps), np.int32), None)
        return replace(level, tables=fit_tables(level.residuals(level.quantise(some))))

    few = latents[:_TRIED_IMAGES]
    zones = [dead_zone(lambda zone, quality=quality: fitted(few, quality, zone), quality) for quality in qualities]
    return [fitted(latents, quality, zone) for quality, zone in zip(qualities, zones, strict=True)]


def _best_dead_zone(network: Network, latents, originals, level_of, weight: float | None) -> float:
    """Return the dead zone under which bits per pixel + ``weight`` · 255² · MSE is least; none without a weight."""
    if weight is None:
        return 0.0
    costs = {}
    for zone in DEAD_ZONES:
        rate, errors = rate_and_errors(network, level_of(zone), latents, originals)
        costs[zone] = rate + weight * 255**2 * errors.mean()
    return min(costs, key=costs.get)
