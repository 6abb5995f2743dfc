"""Learned codec + training images → quantisers and tables of its qualities."""

from collections.abc import Callable, Sequence

import numpy as np

from kerasae.codec.fit_tables import fit_tables
from kerasae.codec.frozen import Frozen, weights_digest
from kerasae.codec.level import Level
from kerasae.codec.network import Network
from kerasae.codec.predictor import Predictor
from kerasae.codec.quantiser import fit_quantiser
from kerasae.codec.training_sample import mean_psnr, squared_errors, training_sample

# Qualities are frozen in these parts of one.
PARTS = 4
# Widths of the dead zone that are tried at each quality, in steps, and the images they are tried on.
DEAD_ZONES = (0.0, 0.04, 0.08, 0.12, 0.16)
_TRIED_IMAGES = 96
_PSNR_IMAGES = 256


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
    latents = np.concatenate([network.encode(chosen[start : start + 256]) for start in range(0, len(chosen), 256)])
    qualities = qualities_of(network.model.levels)
    levels, psnr = [], []
    few, originals = latents[:_PSNR_IMAGES], chosen[:_PSNR_IMAGES]
    for place, quality in enumerate(qualities):
        levels.append(_level(network, latents, originals, quality, lambda_at(lambdas, quality)))
        quantised = levels[-1].dequantise(levels[-1].quantise(few))
        psnr.append(mean_psnr(squared_errors(network, quantised, originals)))
        if progress:
            progress(place + 1, len(qualities))
    return Frozen(
        tuple(levels),
        network.geometry,
        int(np.argmin(np.abs(np.array(qualities) - network.model.default_quality))),
        weights_digest(network.model.get_weights()),
        tuple(psnr),
        mean_psnr(squared_errors(network, few, originals)),
        len(chosen),
        qualities,
    )


def qualities_of(levels: int) -> tuple[float, ...]:
    """Return the qualities that are frozen of so many levels, the highest first."""
    return tuple(float(levels - part / PARTS) for part in range((levels - 1) * PARTS + 1))


def lambda_at(lambdas: Sequence[float], quality: float) -> float | None:
    """Return λ at a quality, between levels in equal ratios; None where there are no lambdas."""
    if not len(lambdas):
        return None
    return float(np.exp(np.interp(quality - 1, np.arange(len(lambdas)), np.log(lambdas))))


def _level(network: Network, latents: np.ndarray, originals: np.ndarray, quality: float, weight: float | None) -> Level:
    made = {}
    for dead_zone in DEAD_ZONES if weight else DEAD_ZONES[:1]:
        some = _fitted(network, latents[:_TRIED_IMAGES], quality, dead_zone)
        integers = some.quantise(latents[:_TRIED_IMAGES])
        cost = 0.0
        if weight:
            bits = some.estimated_bits(integers).mean() / originals[0, ..., 0].size
            errors = squared_errors(network, some.dequantise(integers), originals[:_TRIED_IMAGES])
            cost = bits + weight * 255**2 * errors.mean()
        made[cost] = dead_zone
    return _fitted(network, latents, quality, made[min(made)])


def _fitted(network: Network, latents: np.ndarray, quality: float, dead_zone: float) -> Level:
    bottleneck, channels = network.model.bottleneck, latents.shape[-1]
    steps, corrections = bottleneck.gains.steps(quality)
    quantiser = fit_quantiser(
        latents.reshape(-1, channels),
        steps,
        offsets=np.asarray(bottleneck.density_medians(), np.float32),
        corrections=corrections,
        dead_zone=dead_zone,
    )
    none = np.full(channels, Predictor.NONE, "u1")
    level = Level(quantiser, none, np.zeros(channels, np.int32), None)
    return Level(quantiser, none, level.centres, fit_tables(level.residuals(level.quantise(latents))))
