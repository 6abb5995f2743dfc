"""One step of the ladder: latents ↔ bytes."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from kerasae.codec.entropy_coder import ESCAPE_LENGTH_BITS, EntropyCoder
from kerasae.codec.predictor import Predictor, differences, undo_differences
from kerasae.codec.quantiser import Quantiser
from kerasae.codec.tables import Tables


@dataclass(frozen=True, eq=False)
class Level:
    """Quantiser, predictors and tables that were frozen together.

    ``predictors`` is ``(channels,)``, a ``Predictor`` each; ``centres`` ``(channels,)`` int32 is taken off an integer
    that has no neighbour to be predicted from.
    """

    quantiser: Quantiser
    predictors: np.ndarray
    centres: np.ndarray
    tables: Tables

    @cached_property
    def coder(self) -> EntropyCoder:
        """The entropy coder of the tables."""
        return EntropyCoder(self.tables)

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

    def estimated_bits(self, residuals: np.ndarray) -> np.ndarray:
        """Return the information in ``residuals`` ``(images, positions, channels)`` under the tables: ``(images,)``."""
        return self.estimated_bits_and_escapes(residuals)[0].sum(axis=1)

    def estimated_bits_and_escapes(self, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bits and number of escapes of ``residuals`` ``(images, positions, channels)``: ``(images, channels)``.

        −log₂ of each symbol's probability, summed over positions; an escape adds the bits of its code.
        """
        symbols = residuals - self.tables.lowest
        outside = (symbols < 0) | (symbols >= self.tables.escape)
        chosen = np.where(outside, self.tables.escape, symbols)
        bits = self.tables.bits()[np.arange(symbols.shape[-1]), chosen].sum(axis=1)
        if outside.any():
            beyond = np.where(symbols < 0, -2.0 * symbols, 2.0 * (symbols - self.tables.escape) + 1.0)
            extra = ESCAPE_LENGTH_BITS + np.floor(np.log2(np.maximum(beyond, 1.0)))
            bits = bits + np.where(outside, extra, 0.0).sum(axis=1)
        return bits, outside.sum(axis=1)
