"""Latents ↔ bytes at one level: the contract, and the coder of channels that are independent."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from kerasae.codec.entropy_coder import ESCAPE_LENGTH_BITS, EntropyCoder, Tables, fit_tables
from kerasae.codec.quantizer import (
    Predictor,
    Quantizer,
    dead_zone_array,
    differences,
    fit_quantizer,
    middles,
    undo_differences,
    zones_of,
)
from kerasae.errors import CodecError


@dataclass(frozen=True, eq=False)
class Quantized:
    """Latents as int32 ``integers`` ``(images, rows, columns, channels)``, and what a hyperprior says of each.

    ``numbers`` are those of its tables, ``means`` float32, both of the shape of the latents, or None.
    """

    integers: np.ndarray
    numbers: np.ndarray | None = None
    means: np.ndarray | None = None


class LatentCoder(ABC):
    """Latents ↔ ``Quantized`` ↔ one payload an image, at one level.

    Each kind of bottleneck with an entropy model names its coder as ``coder``, a key of ``frozen.CODERS``.
    """

    @classmethod
    @abstractmethod
    def fit(cls, exported: dict, latents: np.ndarray, price: float) -> "list[LatentCoder]":
        """Return the coder of each level from what a bottleneck ``exported`` and ``latents`` of training images.

        An error of one step squared counts as ``price`` bits, see ``dead_zone_at``; where it is infinite, latents are
        merely rounded.
        """

    @abstractmethod
    def quantize(self, latents: np.ndarray) -> Quantized:
        """Return what ``Network.encode`` gave in integers; raises ``CodecError`` for no numbers."""

    @abstractmethod
    def dequantize(self, quantized: Quantized) -> np.ndarray:
        """Return the float32 latents that the decoder is given."""

    @abstractmethod
    def encode(self, quantized: Quantized) -> list[tuple[bytes, int]]:
        """Return the payload of each image and how many of its symbols were escapes."""

    @abstractmethod
    def decode(self, payloads: Sequence[bytes], rows: int, columns: int) -> Quantized:
        """Return what payloads of one size hold; raises ``CodecError`` for damaged ones."""

    def dead_zones(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the dead zone of each table, ``(tables, 3)``, and the logarithm of the scale it is for, float32."""
        return np.zeros((1, 3), np.float32), np.zeros(1, np.float32)

    def table_numbers(self, scales: np.ndarray) -> np.ndarray | None:
        """Return those of latents of these ``scales``, in steps; None where they do not depend on them."""
        return None

    @abstractmethod
    def symbol_bits(self, integers: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        """Return the bits of each of ``integers`` under the table of its number."""

    @abstractmethod
    def middles(self, integers: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        """Return in steps, float32, what the decoder is given for ``integers`` under these tables."""

    @abstractmethod
    def bits_and_escapes(self, quantized: Quantized) -> tuple[np.ndarray, np.ndarray]:
        """Return bits under the tables and number of escapes, ``(images, channels)`` each."""

    def estimated_bits(self, quantized: Quantized) -> np.ndarray:
        """Return the information in the integers under the tables: ``(images,)``."""
        return self.bits_and_escapes(quantized)[0].sum(axis=1)

    @abstractmethod
    def entropy(self, positions: int) -> float:
        """Return the bits that so many positions cost by the tables' own account, as far as these tell alone."""

    @abstractmethod
    def arrays(self) -> dict[str, np.ndarray]:
        """Return what decides what a payload of this level decodes to, by name, of fixed types."""

    def shared_arrays(self) -> dict[str, np.ndarray]:
        """Return what all levels of a model have in common besides."""
        return {}

    @classmethod
    @abstractmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], shared: dict[str, np.ndarray]) -> "LatentCoder":
        """Return the coder that both are of."""

    def check(self, payloads: Sequence[bytes], quantized: Quantized) -> None:
        """Raise ``CodecError`` unless each payload is, to the byte, what ``encode`` writes of what it holds.

        Nearly every damaged payload decodes to something; this is what tells it from an image.
        """
        for payload, (again, _) in zip(payloads, self.encode(quantized), strict=True):
            if again != payload:
                raise CodecError("the payload holds no image that this model could have written; the file is damaged")


@dataclass(frozen=True, eq=False)
class FactorizedCoder(LatentCoder):
    """Quantizer, predictors and tables that were frozen together.

    ``predictors`` is ``(channels,)``, a ``Predictor`` each; ``centres`` ``(channels,)`` int32 is taken off an integer
    that has no neighbour to be predicted from.
    """

    quantizer: Quantizer
    predictors: np.ndarray
    centres: np.ndarray
    tables: Tables

    @classmethod
    def fit(cls, exported, latents, price) -> "list[FactorizedCoder]":
        """Return the coder of each level of a ``FactorizedBottleneck``; see ``LatentCoder.fit``."""
        levels = []
        for steps, corrections in zip(exported["steps"], exported["corrections"], strict=True):
            settings = {"offsets": exported["medians"], "corrections": corrections}
            for _ in range(ROUNDS if np.isfinite(price) else 0):
                level = cls.at_steps(latents[:FEW_IMAGES], steps, **settings)
                settings["dead_zone"] = dead_zone_at(level.tables, price)
            levels.append(cls.at_steps(latents, steps, **settings))
        return levels

    @classmethod
    def at_steps(cls, latents: np.ndarray, steps: np.ndarray, *, predicted: bool = False, **settings):
        """Return the coder of these ``steps`` ``(channels,)`` with tables fitted to ``latents``.

        With ``predicted``, for models that were not trained to be coded, each channel's integers are predicted from
        their neighbours in the way that costs least, and stand for the means of what was rounded to them. ``settings``
        are those of ``fit_quantizer``.
        """
        channels = latents.shape[-1]
        settings = {"points": 512 if predicted else 0} | settings
        quantizer = fit_quantizer(latents.reshape(-1, channels), steps, **settings)
        integers = quantizer.quantize(latents)
        predictors = [_best_predictor(integers[..., one]) if predicted else Predictor.NONE for one in range(channels)]
        centres = np.rint(integers[:, 0, 0].mean(axis=0)) if predicted else np.zeros(channels)
        coder = cls(quantizer, np.array(predictors, "u1"), centres.astype(np.int32), None)
        return replace(coder, tables=fit_tables(coder.residuals(integers)))

    @cached_property
    def coder(self) -> EntropyCoder:
        """The entropy coder of the tables."""
        return EntropyCoder(self.tables)

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return len(self.quantizer.steps)

    def quantize(self, latents: np.ndarray) -> Quantized:
        """Return latents ``(images, rows, columns, channels)`` in integers; raises ``CodecError`` for no numbers."""
        return Quantized(self.quantizer.quantize(latents))

    def dequantize(self, quantized: Quantized) -> np.ndarray:
        """Return the float32 latents that the decoder is given."""
        return self.quantizer.dequantize(quantized.integers)

    def encode(self, quantized: Quantized) -> list[tuple[bytes, int]]:
        """Return the payload of each image and how many of its symbols were escapes."""
        return [self.coder.encode(rest) for rest in self.residuals(quantized.integers)]

    def decode(self, payloads: Sequence[bytes], rows: int, columns: int) -> Quantized:
        """Return what payloads of one size hold; raises ``CodecError`` for damaged ones."""
        positions = rows * columns
        if not payloads:
            return Quantized(np.zeros((0, rows, columns, self.channels), np.int32))
        rests = np.stack([self.coder.decode(one, positions) for one in payloads])
        return Quantized(self.integers(rests, rows, columns))

    def residuals(self, integers: np.ndarray) -> np.ndarray:
        """Return what is coded of integers ``(images, rows, columns, channels)``: ``(images, positions, channels)``."""
        rest = np.empty_like(integers)
        for channel, kind in enumerate(self.predictors):
            rest[..., channel] = differences(integers[..., channel], Predictor(kind))
        rest[:, 0, 0] -= np.where(self.predictors == Predictor.NONE, 0, self.centres)
        return rest.reshape(len(rest), -1, rest.shape[-1])

    def integers(self, residuals: np.ndarray, rows: int, columns: int) -> np.ndarray:
        """Undo ``residuals``."""
        rest = residuals.reshape(len(residuals), rows, columns, -1).copy()
        rest[:, 0, 0] += np.where(self.predictors == Predictor.NONE, 0, self.centres)
        for channel, kind in enumerate(self.predictors):
            rest[..., channel] = undo_differences(rest[..., channel], Predictor(kind))
        return rest

    def symbol_bits(self, integers: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        """Return the bits of each of ``integers``, of which each channel has a table."""
        return symbol_bits(self.tables, integers, np.arange(self.channels))[0]

    def dead_zones(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the dead zone of each channel, and zeros: channels have no scales."""
        zones = np.broadcast_to(dead_zone_array(self.quantizer.dead_zone), (self.channels, 3))
        return zones, np.zeros(self.channels, np.float32)

    def middles(self, integers: np.ndarray, numbers: np.ndarray | None) -> np.ndarray:
        """Return the middles of the bins of ``integers``."""
        return middles(integers, zones_of(self.quantizer.dead_zone))

    def bits_and_escapes(self, quantized: Quantized) -> tuple[np.ndarray, np.ndarray]:
        """Return bits and number of escapes, ``(images, channels)`` each.

        −log₂ of each symbol's probability, summed over positions; an escape adds the bits of its code.
        """
        residuals = self.residuals(quantized.integers)
        bits, outside = symbol_bits(self.tables, residuals, np.arange(residuals.shape[-1]))
        return bits.sum(axis=1), outside.sum(axis=1)

    def entropy(self, positions: int) -> float:
        """Return the bits that an image of so many positions costs by the tables' own account."""
        return float(self.tables.entropy().sum()) * positions

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all that decides what a payload decodes to, by name, of fixed types."""
        quantizer, tables = self.quantizer, self.tables
        values = (
            quantizer.steps.astype("<f4"),
            quantizer.lowest.astype("<i4"),
            quantizer.points.astype("<f4"),
            np.broadcast_to(quantizer.offsets, quantizer.steps.shape).astype("<f4"),
            np.broadcast_to(quantizer.corrections, quantizer.steps.shape).astype("<f4"),
            dead_zone_array(quantizer.dead_zone),
            self.predictors.astype("u1"),
            self.centres.astype("<i4"),
            tables.lowest.astype("<i4"),
            tables.frequencies.astype("<i4"),
        )
        return dict(zip(_ARRAYS, values, strict=True))

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], shared: dict[str, np.ndarray]) -> "FactorizedCoder":
        """Return the coder that ``arrays`` are of."""
        steps, lowest_point, points, offsets, corrections, dead_zone, predictors, centres, lowest, frequencies = (
            arrays[name] for name in _ARRAYS
        )
        quantizer = Quantizer(steps, lowest_point, points, offsets, corrections, dead_zone)
        return cls(quantizer, predictors, centres, Tables(frequencies, lowest))


_ARRAYS = (
    "steps",
    "lowest_point",
    "points",
    "offsets",
    "corrections",
    "dead_zone",
    "predictors",
    "centres",
    "lowest_symbol",
    "frequencies",
)


def _best_predictor(grid: np.ndarray) -> Predictor:
    """Return the predictor whose differences of ``grid`` ``(images, rows, columns)`` have the least entropy."""
    if grid.shape[1] * grid.shape[2] == 1:
        return Predictor.NONE
    return min(Predictor, key=lambda kind: _entropy(differences(grid, kind)))


def _entropy(values: np.ndarray) -> float:
    _, counts = np.unique(values, return_counts=True)
    shares = counts / values.size
    return float(-(shares * np.log2(shares)).sum())


def symbol_bits(tables: Tables, integers: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bits of each integer under the table whose number is given, and whether it is an escape.

    ``table`` broadcasts to the shape of ``integers``, as do the results.
    """
    symbols = integers - tables.lowest[table]
    outside = (symbols < 0) | (symbols >= tables.escape)
    bits = tables.bits()[table, np.where(outside, tables.escape, symbols)]
    if outside.any():
        beyond = np.where(symbols < 0, -2.0 * symbols, 2.0 * (symbols - tables.escape) + 1.0)
        bits = bits + np.where(outside, ESCAPE_LENGTH_BITS + np.floor(np.log2(np.maximum(beyond, 1.0))), 0.0)
    return bits, outside


# Tables and the dead zones that follow from them are fitted to each other in so many rounds, on so many images.
ROUNDS, FEW_IMAGES = 3, 64
_WIDEST = 0.5


def dead_zone_at(tables: Tables, price: float) -> np.ndarray:
    """Return the dead zone of each table, ``(tables, 3)`` float32, where an error of a step squared costs ``price``.

    ``price`` is in bits. A latent u steps from 0 costs least as the integer k with least bits(k) + price · (u − k)²:
    between k and k + 1 the border lies at k + ½ + (bits(k + 1) − bits(k)) / (2 · price). Both sides of 0 are taken
    together, and all borders beyond the second as the third.
    """
    sizes, numbers = np.arange(4), np.arange(len(tables.lowest))[:, None]
    above, below = (symbol_bits(tables, sign * sizes, numbers)[0] for sign in (1, -1))
    farther = np.diff(above + below, axis=1) / (4 * price)
    return np.clip(farther, 0, _WIDEST).astype(np.float32)
