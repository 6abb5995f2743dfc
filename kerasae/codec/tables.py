"""Frozen integer probabilities."""

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter1d

from kerasae.errors import CodecError

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

    def __post_init__(self):
        if (self.frequencies.sum(axis=1) != TOTAL).any():
            raise CodecError("a table of probabilities does not sum to 1; the file of tables is damaged")

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


# At most so many symbols of a channel have a place of their own, and each tail beyond holds at most this share.
MOST_SYMBOLS = 2048
TAIL = 1e-5
# Widths of the smoothing kernel, in integers; 0 is the plain histogram.
WIDTHS = (0.0, 0.4, 0.7, 1.0, 1.5, 2.5, 4.0, 7.0, 12.0, 20.0)
FOLDS = 4


def fit_tables(integers: np.ndarray) -> Tables:
    """Return the tables of ``integers`` ``(images, positions, channels)``.

    Each channel's histogram is smoothed by a Gaussian kernel whose width is chosen by cross-validation over images: the
    one under which left-out images cost fewest bits. With few training images per bin that is what keeps the tables
    from being sure of what they have merely not seen. The escape has the share of a symbol seen half a time.
    """
    images, positions, channels = integers.shape
    count = images * positions
    folds = min(FOLDS, images)
    lowest, width = _support(integers.reshape(count, channels))
    # (folds, channels, symbols): how often each integer occurs in each part of the images.
    counts = np.zeros((folds, channels, width))
    for fold in range(folds):
        part = integers[fold::folds].reshape(-1, channels) - lowest
        for channel in range(channels):
            places = part[:, channel]
            counts[fold, channel] = np.bincount(places[(places >= 0) & (places < width)], minlength=width)
    costs = np.stack([_left_out_bits(counts, kernel) for kernel in WIDTHS])
    best = costs.argmin(axis=0)
    total = counts.sum(axis=0)
    smoothed = np.stack([_smooth(total[channel], WIDTHS[best[channel]]) for channel in range(channels)])
    smoothed += 1e-3 / width
    escaped = count - total.sum(axis=1)
    return Tables(
        integer_frequencies(np.concatenate([smoothed, escaped[:, None] + 0.5], axis=1)), lowest.astype(np.int32)
    )


def _support(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Return where each channel's table begins and how many integers they all hold."""
    low, high = np.quantile(values, (TAIL, 1 - TAIL), axis=0, method="nearest")
    # Room for what the kernel spreads, as far as the values themselves reach.
    margin = np.ceil(0.25 * (high - low)) + 2
    low, high = np.floor(low - margin).astype(np.int64), np.ceil(high + margin).astype(np.int64)
    width = int(min(MOST_SYMBOLS, (high - low).max() + 1))
    middle = np.median(values, axis=0).astype(np.int64)
    low = np.where(high - low + 1 > width, np.clip(middle - width // 2, low, high - width + 1), low)
    return low, width


def _smooth(counts: np.ndarray, kernel: float) -> np.ndarray:
    return gaussian_filter1d(counts, kernel, axis=-1, mode="constant", truncate=6.0) if kernel else counts


def _left_out_bits(counts: np.ndarray, kernel: float) -> np.ndarray:
    """Return ``(channels,)``: the bits of every fold under the smoothed histogram of the others."""
    total = counts.sum(axis=0)
    bits = np.zeros(counts.shape[1])
    for fold in counts:
        others = _smooth(total - fold, kernel) + 1e-3 / counts.shape[2]
        shares = others / (others.sum(axis=1, keepdims=True) + 0.5)
        bits -= (fold * np.log2(shares)).sum(axis=1)
    return bits
