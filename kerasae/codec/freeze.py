"""Trained model + training images → steps, predictors and tables."""

import math
from collections.abc import Callable, Sequence

import numpy as np

from kerasae.codec.fit_tables import fit_tables
from kerasae.codec.freeze_codec import freeze_codec
from kerasae.codec.frozen import Frozen, weights_digest
from kerasae.codec.level import Level
from kerasae.codec.network import Network
from kerasae.codec.predictor import Predictor, differences
from kerasae.codec.quantiser import fit_quantiser
from kerasae.codec.sensitivity import sensitivity
from kerasae.codec.training_sample import encoded, mean_psnr, rate_and_errors, squared_errors, training_sample
from kerasae.errors import CodecError

MOST_LEVELS = 24
RATIO = 2**0.5
# The finest step adds this share to the mean squared error of the reconstruction itself.
FINEST_SHARE = 0.002
# The default step costs this much of the mean PSNR that the model has without quantisation, at most.
DEFAULT_LOSS_DB = 0.3
# No coarser step follows one that costs more than this, and none that leaves fewer bits to an image.
MOST_LOSS_DB = 10.0
LEAST_BITS = 8.0
_SENSITIVITY_IMAGES = 48
_PSNR_IMAGES = 256
# A channel that moves the picture this much less than the strongest is as good as dead: its step ends here.
_LEAST_SENSITIVITY = 1e-4


def freeze(
    network: Network,
    images: np.ndarray,
    indexes: np.ndarray | None = None,
    *,
    lambdas: Sequence[float] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Frozen:
    """Return the frozen ladder of a model, from ``images`` of its training split alone.

    ``images`` is uint8 ``(images, height, width, channels)`` of the model's size, perhaps a memory map; ``indexes``
    says which of them are the training split, all if None. Channels get steps in inverse proportion to how much they
    move the picture, so that a unit of error costs the same in each: what minimises the squared error of the image at a
    given entropy where quantisation is fine (Gersho & Gray 1992, section 8.3). The ladder's steps grow by √2 from one
    at which quantisation adds 0.2 % to the mean squared error, until one costs 10 dB or leaves not a byte to code.
    ``progress(done, total)`` counts levels. A learned codec has its levels already: ``freeze_codec``, for which
    ``lambdas`` are.

    Raises ``CodecError`` where there are fewer than two images.
    """
    indexes = np.arange(len(images)) if indexes is None else np.asarray(indexes)
    if len(indexes) < 2:
        raise CodecError(f"freezing needs at least 2 training images; got {len(indexes)}")
    if network.model.has_entropy_model:
        return freeze_codec(network, images, indexes, lambdas=lambdas, progress=progress)
    chosen = training_sample(network, images, indexes)
    latents = encoded(network, chosen)
    height, width = images.shape[1:3]
    few, originals = latents[:_PSNR_IMAGES], chosen[:_PSNR_IMAGES]
    exact = squared_errors(network, few, originals)
    factors = sensitivity(network, latents[:_SENSITIVITY_IMAGES], height, width)
    if not factors.any():
        # Every latent is dead, as in a VAE that has collapsed altogether: one picture for all.
        factors = np.ones_like(factors)
    factors = np.maximum(factors, _LEAST_SENSITIVITY * factors.max())
    added = FINEST_SHARE * exact.mean() * images[0].size
    finest = math.sqrt(12 * max(added, 1e-9) / latents[0].size)
    unquantised = mean_psnr(exact)
    levels, psnr, bits = [], [], []
    for place in range(MOST_LEVELS):
        level = _level(latents, finest * RATIO**place / factors)
        nothing_left = level.entropy(latents[0, ..., 0].size) < LEAST_BITS
        if levels and (nothing_left or psnr[-1] < unquantised - MOST_LOSS_DB):
            break
        levels.append(level)
        rate, errors = rate_and_errors(network, level, few, originals)
        bits.append(rate)
        psnr.append(mean_psnr(errors))
        if progress:
            progress(place + 1, MOST_LEVELS)
    good = [place for place, value in enumerate(psnr) if value >= unquantised - DEFAULT_LOSS_DB]
    return Frozen(
        tuple(levels),
        network.geometry,
        max(good, default=0),
        weights_digest(network.model.get_weights()),
        tuple(psnr),
        tuple(bits),
        unquantised,
        len(chosen),
    )


def _level(latents: np.ndarray, steps: np.ndarray) -> Level:
    channels = latents.shape[-1]
    quantiser = fit_quantiser(latents.reshape(-1, channels), steps)
    integers = quantiser.quantise(latents)
    predictors = np.array([_best_predictor(integers[..., channel]) for channel in range(channels)], "u1")
    centres = np.rint(integers[:, 0, 0].mean(axis=0)).astype(np.int32)
    level = Level(quantiser, predictors, centres, None)
    return Level(quantiser, predictors, centres, fit_tables(level.residuals(integers)))


def _best_predictor(grid: np.ndarray) -> Predictor:
    """Return the predictor whose differences of ``grid`` ``(images, rows, columns)`` have the least entropy."""
    if grid.shape[1] * grid.shape[2] == 1:
        return Predictor.NONE
    return min(Predictor, key=lambda kind: _entropy(differences(grid, kind)))


def _entropy(values: np.ndarray) -> float:
    _, counts = np.unique(values, return_counts=True)
    shares = counts / values.size
    return float(-(shares * np.log2(shares)).sum())
