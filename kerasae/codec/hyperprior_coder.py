"""One quality of a hyperprior codec: latents and hyper-latents ↔ bytes."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import log_ndtr

from kerasae.codec.entropy_coder import EntropyCoder, new_decoder, new_encoder, shortest
from kerasae.codec.integer_network import ACTIVATION_BITS, IntegerNetwork, blocks, spread
from kerasae.codec.latent_coder import FactorizedCoder, LatentCoder, symbol_bits
from kerasae.codec.quantizer import refuse_non_finite, rounded
from kerasae.codec.tables import Tables, integer_frequencies
from kerasae.errors import CodecError

SCALES = 64
# Scales, in steps of the quantizer, go in equal ratios of e^(500/4096) = 1.13 from e^(−9040/4096) = 0.11 to 240.
_LOWEST, _RATIO = -9040, 500
# Symbols of a table on each side of 0, in scales and at least; what lies beyond is an escape.
_REACH = 6.0
_LEAST_REACH = 3
_MOST_REACH = 1023
# The normal distribution counts like so many symbols that were seen.
_PRIOR = 200.0


def scale_number(log_scales: np.ndarray) -> np.ndarray:
    """Return which of the scales is nearest in ratio, int64, for integers that are multiples of 2^−12 of ln scale."""
    return np.clip(np.floor((log_scales - _LOWEST + _RATIO // 2) / _RATIO), 0, SCALES - 1).astype(np.int64)


def scales() -> np.ndarray:
    """Return the scales, ``(64,)`` float64, in steps of the quantizer."""
    return np.exp((_LOWEST + _RATIO * np.arange(SCALES)) / 2**ACTIVATION_BITS)


def scale_tables(counts: np.ndarray | None = None) -> Tables:
    """Return a table for each scale.

    ``counts`` ``(64, 2·1023 + 1)`` says how often each integer from −1023 on was seen under each scale in training: the
    table is then between the normal distribution and what was seen, which is a little narrower at its top.
    """
    # Freezing has Keras loaded; reading files must not load it.
    from kerasae.entropy import integer_probabilities

    reach = np.clip(np.ceil(_REACH * scales()), _LEAST_REACH, _MOST_REACH).astype(int)
    width = 2 * reach.max() + 1
    lowest = np.full(SCALES, -reach.max())
    normal = integer_probabilities(_log_cumulatives, lowest, width)
    inside = np.abs(np.arange(width) - reach.max()) <= reach[:, None]
    seen = np.zeros((SCALES, width)) if counts is None else counts[:, _MOST_REACH - reach.max() :][:, :width]
    weights = (_PRIOR * normal + seen) * inside
    escaped = seen.sum(axis=1, keepdims=True) - (seen * inside).sum(axis=1, keepdims=True)
    outside = _PRIOR * np.maximum(1 - (normal * inside).sum(axis=1, keepdims=True), 1e-7) + escaped
    # All tables have one width in memory; integers beyond a table's own reach have the least share there is.
    return Tables(integer_frequencies(np.concatenate([weights, outside], axis=1)), lowest.astype(np.int32))


def count_integers(integers: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return how often each integer occurs under each scale, ``(64, 2·1023 + 1)``; those beyond count as the last."""
    places = np.clip(integers, -_MOST_REACH, _MOST_REACH) + _MOST_REACH
    flat = numbers.reshape(-1) * (2 * _MOST_REACH + 1) + places.reshape(-1)
    return np.bincount(flat, minlength=SCALES * (2 * _MOST_REACH + 1)).reshape(SCALES, -1).astype(np.float64)


def _log_cumulatives(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    places = values / scales()
    return log_ndtr(places), log_ndtr(-places)


# Hyper-latents lie over blocks of so many positions a side.
BLOCK = 4
_UNIT = 2.0**ACTIVATION_BITS


@dataclass(frozen=True, eq=False)
class HyperpriorCoder(LatentCoder):
    """What was frozen of one quality.

    Integers are ``(images, rows, columns, channels + hyper_channels / 16)``: those of the latents, then those of the
    hyper-latents, laid out over 4×4 blocks. ``side`` codes the latter. From them ``synthesis`` computes, in integers,
    which of the ``tables`` each latent has, and its mean where there is one. ``steps`` and ``corrections`` are
    ``(channels,)`` float32, ``log_steps`` int32 multiples of 2^−12; ``shifts`` ``(tables, 2)`` float32 says by how many
    steps the decoder moves a ±1, and all beyond, towards 0. ``synthesis``, ``tables`` and ``shifts`` are the same for
    all qualities.
    """

    side: FactorizedCoder
    synthesis: IntegerNetwork
    tables: Tables
    shifts: np.ndarray
    steps: np.ndarray
    log_steps: np.ndarray
    corrections: np.ndarray
    dead_zone: float = 0.0

    @classmethod
    def fit(cls, exported, latents, choose_dead_zone) -> "list[HyperpriorCoder]":
        """Return the coder of each level of a ``HyperpriorBottleneck``; see ``LatentCoder.fit``.

        The tables are first fitted without dead zones, then with them.
        """
        levels = _refitted(_unfitted(exported, latents), latents)
        zones = [
            choose_dead_zone(place, lambda zone, level=level: replace(level, dead_zone=zone))
            for place, level in enumerate(levels)
        ]
        return _refitted([replace(level, dead_zone=zone) for level, zone in zip(levels, zones, strict=True)], latents)

    @property
    def channels(self) -> int:
        """Channels of the latents, without the hyper-latents."""
        return len(self.steps)

    @cached_property
    def coder(self) -> EntropyCoder:
        """The entropy coder of the scale tables."""
        return EntropyCoder(self.tables)

    def scales_and_means(self, side: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of each latent's scale and its mean, float32, from hyper-latents' integers.

        ``side`` is ``(images, rows/4, columns/4, hyper_channels)``.
        """
        quantizer = self.side.quantizer
        # Products of integers below 2^53, so exact; 2^−12 is the unit of what comes out.
        scale = np.rint(quantizer.steps.astype(np.float64) * quantizer.corrections * 2.0**20)
        offset = np.rint(quantizer.offsets.astype(np.float64) * quantizer.corrections * _UNIT)
        start = np.floor((np.clip(side, -(2**20), 2**20) * scale + 2.0**7) * 2.0**-8) + offset
        found = self.synthesis(start)
        numbers = scale_number(found[..., : self.channels] - self.log_steps)
        means = found[..., self.channels :] if found.shape[-1] > self.channels else np.zeros(1)
        return numbers, (means / _UNIT).astype(np.float32)

    def quantize(self, latents: np.ndarray) -> np.ndarray:
        """Return latents and hyper-latents as int32; raises ``CodecError`` for no numbers."""
        refuse_non_finite(latents)
        latents = np.asarray(latents, np.float32)
        side = self.side.quantize(blocks(latents[..., self.channels :], BLOCK))
        _, means = self.scales_and_means(side)
        main = rounded((latents[..., : self.channels] - means) / self.steps, self.dead_zone)
        return np.concatenate([main, spread(side, BLOCK)], axis=-1)

    def dequantize(self, integers: np.ndarray) -> np.ndarray:
        """Return the float32 latents ``(images, rows, columns, channels)`` that the decoder is given."""
        numbers, means = self.scales_and_means(blocks(integers[..., self.channels :], BLOCK))
        main = integers[..., : self.channels]
        sizes = np.abs(main)
        shift = self.shifts[numbers, np.clip(sizes, 1, 2) - 1] * (sizes > 0)
        moved = np.sign(main) * (sizes.astype(np.float32) - shift)
        return (moved * self.steps + means) * self.corrections

    def encode(self, integers: np.ndarray) -> list[tuple[bytes, int]]:
        """Return the payload of each image and how many of its symbols were escapes."""
        side = blocks(integers[..., self.channels :], BLOCK)
        numbers, _ = self.scales_and_means(side)
        coded = []
        for main, number, rest in zip(integers[..., : self.channels], numbers, self.side.residuals(side), strict=True):
            encoder = new_encoder()
            escapes = self.side.coder.write(encoder, np.ascontiguousarray(rest.T))
            order, counts = _by_table(number)
            escapes += self.coder.write(encoder, np.split(main.reshape(-1)[order], np.cumsum(counts)[:-1]))
            coded.append((shortest(encoder), escapes))
        return coded

    def decode(self, payloads: Sequence[bytes], rows: int, columns: int) -> np.ndarray:
        """Return int32 integers as ``quantize`` does; raises ``CodecError`` for damaged payloads."""
        positions = rows * columns // BLOCK**2
        fewest = self.side.tables.fewest_bits(positions)
        if any(8 * len(payload) + 32 < fewest for payload in payloads):
            raise CodecError("the payload is shorter than any image of its size; the file is damaged")
        decoders = [new_decoder(payload) for payload in payloads]
        rests = [np.stack(self.side.coder.read(one, [positions] * self.side.channels), axis=1) for one in decoders]
        side = self.side.integers(np.stack(rests), rows // BLOCK, columns // BLOCK)
        numbers, _ = self.scales_and_means(side)
        main = np.empty((*numbers.shape[:1], numbers[0].size), np.int32)
        for place, (decoder, number) in enumerate(zip(decoders, numbers, strict=True)):
            order, counts = _by_table(number)
            main[place, order] = np.concatenate(self.coder.read(decoder, counts))
        return np.concatenate([main.reshape(numbers.shape), spread(side, BLOCK)], axis=-1)

    def bits_and_escapes(self, integers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bits and escapes, ``(images, channels + hyper_channels)``: those of hyper-latents come last."""
        side = blocks(integers[..., self.channels :], BLOCK)
        numbers, _ = self.scales_and_means(side)
        bits, outside = symbol_bits(self.tables, integers[..., : self.channels], numbers)
        side_bits, side_outside = self.side.bits_and_escapes(side)
        return (
            np.concatenate([bits.sum(axis=(1, 2)), side_bits], axis=1),
            np.concatenate([outside.sum(axis=(1, 2)), side_outside], axis=1),
        )

    def entropy(self, positions: int) -> float:
        """Return what the hyper-latents of so many positions cost by their tables' own account: the rest depends."""
        return self.side.entropy(positions // BLOCK**2)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return what decides what a payload of this quality decodes to, by name, of fixed types."""
        own = {
            "hyper_steps": self.steps.astype("<f4"),
            "hyper_log_steps": self.log_steps.astype("<i4"),
            "hyper_corrections": self.corrections.astype("<f4"),
            "hyper_dead_zone": np.float32(self.dead_zone).reshape(1),
        }
        return own | {f"side_{name}": array for name, array in self.side.arrays().items()}

    def shared_arrays(self) -> dict[str, np.ndarray]:
        """Return what all qualities have in common."""
        shared = {
            "shifts": self.shifts.astype("<f4"),
            "lowest_symbol": self.tables.lowest.astype("<i4"),
            "frequencies": self.tables.frequencies.astype("<i4"),
        }
        return shared | self.synthesis.arrays()

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], shared: dict[str, np.ndarray]) -> "HyperpriorCoder":
        """Return the coder that both are of."""
        side = {name[5:]: array for name, array in arrays.items() if name.startswith("side_")}
        return cls(
            FactorizedCoder.from_arrays(side, {}),
            IntegerNetwork.from_arrays(shared),
            Tables(shared["frequencies"], shared["lowest_symbol"]),
            shared["shifts"],
            arrays["hyper_steps"],
            arrays["hyper_log_steps"],
            arrays["hyper_corrections"],
            float(arrays["hyper_dead_zone"][0]),
        )


def _by_table(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order that sorts latents by table, and how many each table has."""
    flat = numbers.reshape(-1)
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=SCALES)


# A shift counts as if it had been seen to be 0 so many times.
_PRIOR_SHIFTS = 50.0


def _unfitted(exported: dict, latents: np.ndarray) -> list[HyperpriorCoder]:
    """Return the levels with tables of the normal distribution, and what codes hyper-latents fitted to ``latents``."""
    synthesis, tables = IntegerNetwork.of(exported["synthesis"]), scale_tables()
    side = exported["hyper"]
    hyper = blocks(latents[..., exported["steps"].shape[1] :], BLOCK)
    levels = []
    for place, (steps, corrections) in enumerate(zip(exported["steps"], exported["corrections"], strict=True)):
        coder = FactorizedCoder.at_steps(
            hyper, side["steps"][place], offsets=side["medians"], corrections=side["corrections"][place]
        )
        steps = steps.astype(np.float32)
        log_steps = np.rint(np.log(steps.astype(np.float64)) * 2**ACTIVATION_BITS).astype(np.int32)
        none = np.zeros((SCALES, 2), np.float32)
        levels.append(HyperpriorCoder(coder, synthesis, tables, none, steps, log_steps, corrections.astype(np.float32)))
    return levels


def _refitted(levels: list[HyperpriorCoder], latents: np.ndarray) -> list[HyperpriorCoder]:
    """Return the levels with tables and shifts fitted to what they make of ``latents``, all together."""
    counts = np.zeros_like(count_integers(np.zeros(0, np.int64), np.zeros(0, np.int64)))
    sums, seen = np.zeros((SCALES, 2)), np.zeros((SCALES, 2))
    for level in levels:
        integers = level.quantize(latents)
        numbers, means = level.scales_and_means(blocks(integers[..., level.channels :], BLOCK))
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
