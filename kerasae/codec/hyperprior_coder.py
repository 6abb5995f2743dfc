"""One quality of a hyperprior codec: latents and hyper-latents ↔ bytes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kerasae.codec.entropy_coder import EntropyCoder, Tables, integer_frequencies, new_decoder, new_encoder, shortest
from kerasae.codec.integer_network import (
    ACTIVATION_BITS,
    LARGEST_ACTIVATION,
    SIDE_AT_ONCE,
    IntegerNetwork,
    blocks,
    in_parts,
    join_pass,
    split_passes,
    spread,
)
from kerasae.codec.latent_coder import (
    FEW_IMAGES,
    ROUNDS,
    FactorizedCoder,
    LatentCoder,
    Quantized,
    dead_zone_at,
    symbol_bits,
)
from kerasae.codec.quantizer import dead_zone_array, middles, refuse_non_finite, rounded, zones_of
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
    """Return which of the scales is nearest in ratio, uint8, for integers that are multiples of 2^−12 of ln scale."""
    return np.clip(np.floor((log_scales - _LOWEST + _RATIO // 2) / _RATIO), 0, SCALES - 1).astype(np.uint8)


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
    flat = numbers.reshape(-1).astype(np.int64) * (2 * _MOST_REACH + 1) + places.reshape(-1)
    return np.bincount(flat, minlength=SCALES * (2 * _MOST_REACH + 1)).reshape(SCALES, -1).astype(np.float64)


def _log_cumulatives(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    # Coding does without SciPy.
    from scipy.special import log_ndtr

    places = values / scales()
    return log_ndtr(places), log_ndtr(-places)


# Levels share their tables: this many images give each symbol that matters thousands of times.
_MANY_IMAGES = 256
# Hyper-latents lie over blocks of so many positions a side.
BLOCK = 4
# Latents of a larger image are quantized in squares of so many positions a side, a multiple of a block.
_QUANTIZED_AT_ONCE = 256
_UNIT = 2.0**ACTIVATION_BITS


@dataclass(frozen=True, eq=False)
class HyperpriorCoder(LatentCoder):
    """What was frozen of one quality.

    Integers are ``(images, rows, columns, channels + hyper_channels / 16)``: those of the latents, then those of the
    hyper-latents, laid out over 4×4 blocks. ``side`` codes the latter. From them ``synthesis`` computes, in integers,
    which of the ``tables`` each latent has, and its mean where there is one. With ``context`` latents are coded in one
    pass more than it has networks; each corrects scales and means of a pass by the latents of those before.

    ``steps`` and ``corrections`` are ``(channels,)`` float32, ``log_steps`` int32 multiples of 2^−12. The decoder is
    given the middles of bins, of which each table has a ``dead_zone`` of its own (see ``zones_of``); where there are
    ``shifts``, ``(tables, 2)`` float32, as earlier versions froze them, a ±1 and all beyond instead lie by so many
    steps nearer to 0. ``synthesis``, ``context``, ``tables`` and ``shifts`` are the same for all qualities.
    """

    side: FactorizedCoder
    synthesis: IntegerNetwork
    context: tuple[IntegerNetwork, ...]
    tables: Tables
    steps: np.ndarray
    log_steps: np.ndarray
    corrections: np.ndarray
    dead_zone: np.ndarray | None = None
    shifts: np.ndarray | None = None

    @classmethod
    def fit(cls, exported, latents, price) -> "list[HyperpriorCoder]":
        """Return the coder of each level of a ``HyperpriorBottleneck``; see ``LatentCoder.fit``."""
        levels = _unfitted(exported, latents)
        for _ in range(ROUNDS if np.isfinite(price) else 0):
            levels = _refitted(levels, latents[:FEW_IMAGES])
            zone = dead_zone_at(levels[0].tables, price)
            levels = [replace(level, dead_zone=zone) for level in levels]
        return _refitted(levels, latents[:_MANY_IMAGES])

    @property
    def channels(self) -> int:
        """Channels of the latents, without the hyper-latents."""
        return len(self.steps)

    @property
    def passes(self) -> int:
        """In how many passes latents are coded."""
        return len(self.context) + 1

    @cached_property
    def coder(self) -> EntropyCoder:
        """The entropy coder of the scale tables."""
        return EntropyCoder(self.tables)

    def pass_by_pass(self, side: np.ndarray, code: Callable[..., np.ndarray]) -> tuple[np.ndarray, ...]:
        """Return the number of each latent's scale, its mean, float32, and its integer, from hyper-latents' integers.

        ``side`` is ``(images, rows/4, columns/4, hyper_channels)``. ``code(place, numbers, means)`` gives the integers
        of a pass, given those of its scales and its means, all of one shape.
        """
        quantizer = self.side.quantizer
        offset = np.rint(quantizer.offsets.astype(np.float64) * quantizer.corrections * _UNIT)
        told = _times(side, quantizer.steps.astype(np.float64) * quantizer.corrections) + offset
        guesses = self.synthesis.then(self._guesses, told)
        shape = (len(side), BLOCK * side.shape[1], BLOCK * side.shape[2], self.channels)
        outputs = tuple(np.empty(shape, kind) for kind in (np.uint8, np.float32, np.int32))
        known = []
        for place in range(self.passes):
            # Of a large image nothing is kept that is not needed any more.
            log_scale, mean = guesses.pop(0), guesses.pop(0)
            if place:
                numbers, mean = self.context[place - 1].then(_corrected, *known, log_scale, mean)
            else:
                numbers, mean = scale_number(log_scale), mean / np.float32(_UNIT)
            del log_scale
            integers = code(place, numbers, mean)
            if place < self.passes - 1:
                steps = np.tile(self.steps, numbers.shape[-1] // self.channels).astype(np.float64)
                # Networks clip what they are given to this.
                within = np.clip(_times(integers, steps), -LARGEST_ACTIVATION, LARGEST_ACTIVATION)
                known.append(within.astype(np.float32))
            for output, part in zip(outputs, (numbers, mean, integers), strict=True):
                join_pass(output, part, place, self.passes)
        return outputs

    def _guesses(self, found: np.ndarray, _) -> list[np.ndarray]:
        """Return the log-scales of the first pass, in steps, and its means, then those of the next and so on.

        They are integers of at most 23 bits, which float32 holds.
        """
        log_scales, means = found[..., : self.channels], found[..., self.channels :]
        means = means if means.size else np.zeros_like(log_scales)
        log_scales = log_scales - self.log_steps.astype(np.float32)
        pairs = zip(*(split_passes(one, self.passes) for one in (log_scales, means)), strict=True)
        return [part for pair in pairs for part in pair]

    def known(self, integers: np.ndarray) -> Quantized:
        """Return integers with what hyper-latents and earlier passes say of each."""
        main = split_passes(integers[..., : self.channels], self.passes)
        side = blocks(integers[..., self.channels :], BLOCK)
        numbers, means, _ = self.pass_by_pass(side, lambda place, numbers, means: main[place])
        return Quantized(integers, numbers, means)

    def quantize(self, latents: np.ndarray) -> Quantized:
        """Return latents and hyper-latents in integers; raises ``CodecError`` for no numbers."""
        refuse_non_finite(latents)
        latents = np.asarray(latents, np.float32)
        # Who encodes knows all latents at once, so that a large image takes no more memory than one part of it.
        return Quantized(*in_parts(self._quantized, latents, side=_QUANTIZED_AT_ONCE, halo=self._reach))

    def _quantized(self, latents: np.ndarray) -> list[np.ndarray]:
        side = self.side.quantize(blocks(latents[..., self.channels :], BLOCK)).integers
        parts = split_passes(latents[..., : self.channels], self.passes)
        steps = np.tile(self.steps, parts[0].shape[-1] // self.channels)

        def code(place, numbers, means):
            return rounded((parts[place] - means) / steps, zones_of(self.dead_zone, numbers))

        found = self._joined(side, code)
        # Numbers and means have no hyper-latents; a grid of ``in_parts`` may have any channels.
        return [found.integers, found.numbers, found.means]

    @property
    def _reach(self) -> int:
        """How far what a latent is coded as depends on others, in positions; whole blocks."""
        positions = BLOCK * self.synthesis.reach + 2 * sum(network.reach for network in self.context)
        return BLOCK * math.ceil(positions / BLOCK)

    def _joined(self, side: np.ndarray, code: Callable[..., np.ndarray]) -> Quantized:
        numbers, means, main = self.pass_by_pass(side, code)
        return Quantized(np.concatenate([main, spread(side, BLOCK)], axis=-1), numbers, means)

    def dequantize(self, quantized: Quantized) -> np.ndarray:
        """Return the float32 latents ``(images, rows, columns, channels)`` that the decoder is given."""
        main = quantized.integers[..., : self.channels]
        return in_parts(self._latents, main, quantized.numbers, quantized.means, side=SIDE_AT_ONCE)[0]

    def _latents(self, integers: np.ndarray, numbers: np.ndarray, means: np.ndarray) -> list[np.ndarray]:
        return [(self.middles(integers, numbers) * self.steps + means) * self.corrections]

    def encode(self, quantized: Quantized) -> list[tuple[bytes, int]]:
        """Return the payload of each image and how many of its symbols were escapes."""
        integers = quantized.integers
        side, main = blocks(integers[..., self.channels :], BLOCK), integers[..., : self.channels]
        parts = zip(*(split_passes(one, self.passes) for one in (main, quantized.numbers)), strict=True)
        encoders, escapes = [new_encoder() for _ in integers], []
        for encoder, rest in zip(encoders, self.side.residuals(side), strict=True):
            positions, channels = rest.shape
            escapes.append(self.side.coder.write(encoder, rest.T.reshape(-1), [positions] * channels))
        for part, scale_numbers in parts:
            for place, (encoder, main, number) in enumerate(zip(encoders, part, scale_numbers, strict=True)):
                order, counts = _by_table(number)
                escapes[place] += self.coder.write(encoder, main.reshape(-1)[order], counts)
        return [(shortest(encoder), count) for encoder, count in zip(encoders, escapes, strict=True)]

    def decode(self, payloads: Sequence[bytes], rows: int, columns: int) -> Quantized:
        """Return what ``quantize`` did; raises ``CodecError`` for damaged payloads."""
        positions = rows * columns // BLOCK**2
        fewest = self.side.tables.fewest_bits(positions)
        if any(8 * len(payload) + 32 < fewest for payload in payloads):
            raise CodecError("the payload is shorter than any image of its size; the file is damaged")
        decoders = [new_decoder(payload) for payload in payloads]
        counts = [positions] * self.side.channels
        rests = [self.side.coder.read(one, counts).reshape(-1, positions).T for one in decoders]
        side = self.side.integers(np.stack(rests), rows // BLOCK, columns // BLOCK)

        def code(place, numbers, means):
            main = np.empty((len(numbers), numbers[0].size), np.int32)
            for image, (decoder, number) in enumerate(zip(decoders, numbers, strict=True)):
                order, counts = _by_table(number)
                main[image, order] = self.coder.read(decoder, counts)
            return main.reshape(numbers.shape)

        return self._joined(side, code)

    def dead_zones(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the dead zone of each table, and the logarithm of its scale."""
        zones = np.broadcast_to(dead_zone_array(self.dead_zone), (SCALES, 3))
        return zones, np.log(scales()).astype(np.float32)

    def table_numbers(self, found: np.ndarray) -> np.ndarray:
        """Return those of latents of these scales, in steps."""
        return scale_number(_UNIT * np.log(found))

    def symbol_bits(self, integers: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the bits of each of ``integers`` under the table of its number."""
        return symbol_bits(self.tables, integers, numbers)[0]

    def middles(self, integers: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Return the middles of the bins of ``integers``, or what ``shifts`` say."""
        if self.shifts is None:
            return middles(integers, zones_of(self.dead_zone, numbers))
        sizes = np.abs(integers)
        shift = self.shifts[numbers, np.clip(sizes, 1, 2) - 1] * (sizes > 0)
        return np.sign(integers) * (sizes.astype(np.float32) - shift)

    def bits_and_escapes(self, quantized: Quantized) -> tuple[np.ndarray, np.ndarray]:
        """Return bits and escapes, ``(images, channels + hyper_channels)``: those of hyper-latents come last."""
        main = quantized.integers[..., : self.channels]
        bits, outside = symbol_bits(self.tables, main, quantized.numbers)
        side = Quantized(blocks(quantized.integers[..., self.channels :], BLOCK))
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
            "hyper_dead_zone": dead_zone_array(self.dead_zone),
        }
        return own | {f"side_{name}": array for name, array in self.side.arrays().items()}

    def shared_arrays(self) -> dict[str, np.ndarray]:
        """Return what all qualities have in common."""
        shared = {} if self.shifts is None else {"shifts": self.shifts.astype("<f4")}
        shared |= {
            "lowest_symbol": self.tables.lowest.astype("<i4"),
            "frequencies": self.tables.frequencies.astype("<i4"),
        }
        networks = [self.synthesis.arrays()]
        for place, network in enumerate(self.context):
            networks.append({f"context_{place}_{name}": array for name, array in network.arrays().items()})
        return shared | {name: array for arrays in networks for name, array in arrays.items()}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], shared: dict[str, np.ndarray]) -> "HyperpriorCoder":
        """Return the coder that both are of."""

        def under(content: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
            return {name[len(prefix) :]: array for name, array in content.items() if name.startswith(prefix)}

        passes = 1 + len({name.split("_")[1] for name in shared if name.startswith("context_")})
        return cls(
            FactorizedCoder.from_arrays(under(arrays, "side_"), {}),
            IntegerNetwork.from_arrays(shared),
            tuple(IntegerNetwork.from_arrays(under(shared, f"context_{place}_")) for place in range(passes - 1)),
            Tables(shared["frequencies"], shared["lowest_symbol"]),
            arrays["hyper_steps"],
            arrays["hyper_log_steps"],
            arrays["hyper_corrections"],
            arrays["hyper_dead_zone"],
            shared.get("shifts"),
        )


def _corrected(changes: np.ndarray, *inputs: np.ndarray) -> list[np.ndarray]:
    """Return numbers of scales, and means, of what a context network read and what it changes."""
    (*_, log_scale, mean), (scale_change, mean_change) = inputs, np.split(changes, 2, axis=-1)
    return [scale_number(log_scale + scale_change), (mean + mean_change) / np.float32(_UNIT)]


def _times(integers: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """Return integers times ``steps`` as multiples of 2^−12, exact: products of integers below 2^53."""
    return np.floor((np.clip(integers, -(2**20), 2**20) * np.rint(steps * 2.0**20) + 2.0**7) * 2.0**-8)


def _by_table(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the order that sorts latents by table, and how many each table has."""
    flat = numbers.reshape(-1)
    return np.argsort(flat, kind="stable"), np.bincount(flat, minlength=SCALES)


def _unfitted(exported: dict, latents: np.ndarray) -> list[HyperpriorCoder]:
    """Return the levels with tables of the normal distribution, and what codes hyper-latents fitted to ``latents``."""
    synthesis, tables = IntegerNetwork.of(exported["synthesis"]), scale_tables()
    context = tuple(map(IntegerNetwork.of, exported["context"]))
    side = exported["hyper"]
    hyper = blocks(latents[..., exported["steps"].shape[1] :], BLOCK)
    levels = []
    for place, (steps, corrections) in enumerate(zip(exported["steps"], exported["corrections"], strict=True)):
        coder = FactorizedCoder.at_steps(
            hyper, side["steps"][place], offsets=side["medians"], corrections=side["corrections"][place]
        )
        steps = steps.astype(np.float32)
        log_steps = np.rint(np.log(steps.astype(np.float64)) * 2**ACTIVATION_BITS).astype(np.int32)
        corrections = corrections.astype(np.float32)
        levels.append(HyperpriorCoder(coder, synthesis, context, tables, steps, log_steps, corrections))
    return levels


def _refitted(levels: list[HyperpriorCoder], latents: np.ndarray) -> list[HyperpriorCoder]:
    """Return the levels with tables fitted to what they make of ``latents``, all together."""
    counts = 0.0
    for level in levels:
        quantized = level.quantize(latents)
        counts += count_integers(quantized.integers[..., : level.channels], quantized.numbers)
    tables = scale_tables(counts)
    return [replace(level, tables=tables) for level in levels]
