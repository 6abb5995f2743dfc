"""Frozen integer probabilities."""

from dataclasses import dataclass

import numpy as np

# What the entropy coder computes with: frequencies of a table sum to 2^24.
PRECISION = 24
TOTAL = 2**PRECISION


@dataclass(frozen=True, eq=False)
class Tables:
    """How often each symbol of each channel is expected, in integers.

    ``frequencies`` is ``(channels, symbols)`` int32, each at least 1, each row summing to 2^24. Symbol ``s`` of a
    channel means the integer ``lowest[channel] + s``; the last symbol is the escape, followed elsewhere in the stream
    by the integer itself. ``lowest`` is ``(channels,)`` int32.
    """

    frequencies: np.ndarray
    lowest: np.ndarray

    @property
    def escape(self) -> int:
        """The symbol that says: not in the table."""
        return self.frequencies.shape[1] - 1

    def bits(self) -> np.ndarray:
        """Return the cost of each symbol in bits, ``(channels, symbols)`` float64."""
        return PRECISION - np.log2(self.frequencies)

    def entropy(self) -> np.ndarray:
        """Return the mean cost of a symbol that follows the table, in bits, ``(channels,)``."""
        return (self.frequencies / TOTAL * self.bits()).sum(axis=1)

    def fewest_bits(self, positions: int) -> float:
        """Return the bits below which no image of so many positions can be coded."""
        return float(positions * self.bits().min(axis=1).sum())


def integer_frequencies(probabilities: np.ndarray) -> np.ndarray:
    """Return int32 frequencies ``(channels, symbols)``: at least 1 each, in proportion else, summing to 2^24.

    ``probabilities`` is ``(channels, symbols)`` float64, not negative, each row of a positive sum. What rounding leaves
    over goes to the likeliest symbol, where it matters least.
    """
    channels, symbols = probabilities.shape
    free = TOTAL - symbols
    shares = probabilities / probabilities.sum(axis=1, keepdims=True)
    frequencies = 1 + np.floor(shares * free).astype(np.int64)
    frequencies[np.arange(channels), shares.argmax(axis=1)] += TOTAL - frequencies.sum(axis=1)
    return frequencies.astype(np.int32)
