"""Hyperprior codec + latents of training images → levels."""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from kerasae.codec.blocks import blocks
from kerasae.codec.fit_tables import fit_tables
from kerasae.codec.hyper_level import BLOCK, HyperLevel
from kerasae.codec.integer_synthesis import ACTIVATION_BITS, IntegerSynthesis
from kerasae.codec.level import Level
from kerasae.codec.predictor import Predictor
from kerasae.codec.quantiser import fit_quantiser
from kerasae.codec.scale_tables import SCALES, count_integers, scale_tables

# A shift counts as if it had been seen to be 0 so many times.
_PRIOR_SHIFTS = 50.0


def hyper_levels(
    bottleneck,
    latents: np.ndarray,
    qualities: Sequence[float],
    choose_dead_zone: Callable[[Callable[[float], HyperLevel], float], float],
) -> list[HyperLevel]:
    """Return the levels of a ``HyperpriorBottleneck`` at ``qualities``.

    ``latents`` are what ``Network.encode`` gives of the training images; ``choose_dead_zone(level_of, quality)`` is
    asked for the dead zone of each quality. The tables are first fitted without dead zones, then with them.
    """
    synthesis = IntegerSynthesis.from_weights(bottleneck.synthesis.weights_in_order())
    plain = scale_tables()
    none = np.zeros((SCALES, 2), np.float32)
    levels = [_level(bottleneck, latents, quality, synthesis, plain, none) for quality in qualities]
    levels = _refitted(levels, latents)
    zones = [
        choose_dead_zone(lambda zone, level=level: replace(level, dead_zone=zone), quality)
        for level, quality in zip(levels, qualities, strict=True)
    ]
    return _refitted([replace(level, dead_zone=zone) for level, zone in zip(levels, zones, strict=True)], latents)


def _level(bottleneck, latents, quality: float, synthesis, tables, shifts) -> HyperLevel:
    steps, corrections = bottleneck.gains.steps(quality)
    side_steps, side_corrections = bottleneck.side.gains.steps(quality)
    hyper = blocks(latents[..., len(steps) :], BLOCK)
    channels = hyper.shape[-1]
    quantiser = fit_quantiser(
        hyper.reshape(-1, channels), side_steps, offsets=bottleneck.side.density_medians(), corrections=side_corrections
    )
    side = Level(quantiser, np.full(channels, Predictor.NONE, "u1"), np.zeros(channels, np.int32), None)
    side = replace(side, tables=fit_tables(side.residuals(side.quantise(hyper))))
    steps = steps.astype(np.float32)
    log_steps = np.rint(np.log(steps.astype(np.float64)) * 2**ACTIVATION_BITS).astype(np.int32)
    return HyperLevel(side, synthesis, tables, shifts, steps, log_steps, corrections.astype(np.float32))


def _refitted(levels: list[HyperLevel], latents: np.ndarray) -> list[HyperLevel]:
    """Return the levels with tables and shifts fitted to what they make of ``latents``, all together."""
    counts = np.zeros_like(count_integers(np.zeros(0, np.int64), np.zeros(0, np.int64)))
    sums, seen = np.zeros((SCALES, 2)), np.zeros((SCALES, 2))
    for level in levels:
        integers = level.quantise(latents)
        numbers, means = level.known(blocks(integers[..., level.channels :], BLOCK))
        main = integers[..., : level.channels]
        counts += count_integers(main, numbers)
        exact = (latents[..., : level.channels] - means) / level.steps
        for far in (0, 1):
            chosen = np.abs(main) > 1 if far else np.abs(main) == 1
            outward = np.abs(main[chosen]) - np.sign(main[chosen]) * exact[chosen]
            sums[:, far] += np.bincount(numbers[chosen], weights=outward, minlength=SCALES)
            seen[:, far] += np.bincount(numbers[chosen], minlength=SCALES)
    shifts = (sums / (seen + _PRIOR_SHIFTS)).astype(np.float32)
    tables = scale_tables(counts)
    return [replace(level, tables=tables, shifts=shifts) for level in levels]
