"""Frozen integer probabilities, and integers ↔ bytes under them: the one place that uses constriction.

The range coder of constriction 0.5 (32-bit words, 64-bit state, 24-bit probabilities) under its ``Categorical`` model
with ``perfect=False``. That model turns weights ``w`` into cumulative frequencies ``floor(cumsum(w) · (2^24 − n) /
sum(w)) + index``; given ``frequency − 1`` as weights, whose sum is ``2^24 − n``, the factor is exactly 1 and every
number an integer below 2^24, which float32 holds exactly. So the coder's frequencies are the stored integers, and no
rounding of any float has a say in them; ``tests/codec/reference_decoder.py`` decodes the same bytes in plain integers.

**Order.** Table after table (for most models a channel each), each over all its positions. Then, for every escape in
that order, the number of bits of its code (uniform over 24), then for every escape those bits (uniform). The code of an
integer ``a`` places beyond the table's end is ``2a + 1``, before its beginning ``2a + 2`` (both with ``a`` from 0),
written without its leading 1.

**End.** Of all byte strings in the coder's final interval the shortest is written; the decoder reads zeros behind it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import constriction
import numpy as np

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
    # Coding does without SciPy.
    from scipy.ndimage import gaussian_filter1d

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


_queue, _model = constriction.stream.queue, constriction.stream.model
_MASK = 2**64 - 1
# Lengths of an escape's code, in bits after the leading 1.
_LENGTHS = 24
ESCAPE_LENGTH_BITS = float(np.log2(_LENGTHS))


class EntropyCoder:
    """Codes integers under one set of tables: a table per channel, or any table for each integer."""

    def __init__(self, tables: Tables):
        self.tables = tables
        weights = np.ascontiguousarray(tables.frequencies - 1, dtype=np.float32)
        self._weights = weights
        self._models = [_model.Categorical(row, perfect=False) for row in weights]
        self._family = _model.Categorical(perfect=False)
        self._lengths = _model.Uniform(_LENGTHS)
        self._bits = _model.Uniform()

    def encode(self, integers: np.ndarray) -> tuple[bytes, int]:
        """Return the bytes of ``integers`` ``(positions, channels)`` and how many of them were escapes."""
        encoder = new_encoder()
        positions, channels = integers.shape
        escapes = self.write(encoder, integers.T.reshape(-1), [positions] * channels)
        return shortest(encoder), escapes

    def decode(self, payload: bytes, positions: int) -> np.ndarray:
        """Return int32 integers ``(positions, channels)``.

        Raises ``CodecError`` for bytes that ``encode`` does not write.
        """
        # The coder's last 32 bits may all be zeros, which are not written.
        if 8 * len(payload) + 32 < self.tables.fewest_bits(positions):
            raise CodecError(
                f"the payload of {len(payload)} bytes is shorter than any image of its size; the file is damaged"
            )
        by_channel = self.read(new_decoder(payload), [positions] * len(self._models))
        return np.ascontiguousarray(by_channel.reshape(-1, positions).T)

    def write(self, encoder, integers: np.ndarray, counts: Sequence[int]) -> int:
        """Add int32 integers to a stream, table after table, so many of each; return how many of them were escapes."""
        symbols = np.ascontiguousarray(integers - np.repeat(self.tables.lowest, counts), np.int32)
        outside = (symbols < 0) | (symbols >= self.tables.escape)
        beyond = symbols[outside]
        symbols[outside] = self.tables.escape
        if all(count == 1 for count in counts):
            encoder.encode(symbols, self._family, self._weights)
        else:
            start = 0
            for count, model in zip(counts, self._models, strict=True):
                if count:
                    encoder.encode(symbols[start : start + count], model)
                start += count
        if beyond.size:
            self._encode_escapes(encoder, beyond)
        return int(beyond.size)

    def read(self, decoder, counts: Sequence[int]) -> np.ndarray:
        """Return the int32 integers that ``write`` added to the stream, ``(sum(counts),)``.

        Raises ``CodecError`` where the stream holds none such.
        """
        try:
            if all(count == 1 for count in counts):
                symbols = decoder.decode(self._family, self._weights)
            else:
                parts = [
                    decoder.decode(model, int(count))
                    for model, count in zip(self._models, counts, strict=True)
                    if count
                ]
                symbols = np.concatenate(parts) if parts else np.zeros(0, np.int32)
            table = np.repeat(np.arange(len(self._models)), counts)
            integers = symbols + self.tables.lowest[table]
            escaped = symbols == self.tables.escape
            if escaped.any():
                integers[escaped] = self._decode_escapes(decoder, table[escaped])
        except (AssertionError, ValueError):
            raise CodecError("the payload does not decode under this model's tables; the file is damaged") from None
        return integers

    def _encode_escapes(self, encoder, symbols: np.ndarray) -> None:
        beyond = symbols.astype(np.int64)
        codes = np.where(beyond < 0, 2 * (-beyond - 1) + 2, 2 * (beyond - self.tables.escape) + 1)
        lengths = np.frexp(codes.astype(np.float64))[1] - 1
        encoder.encode(lengths.astype(np.int32), self._lengths)
        rest, some = codes - (1 << lengths), lengths > 0
        if some.any():
            encoder.encode(rest[some].astype(np.int32), self._bits, (1 << lengths[some]).astype(np.int32))

    def _decode_escapes(self, decoder, channels: np.ndarray) -> np.ndarray:
        lengths = decoder.decode(self._lengths, len(channels)).astype(np.int64)
        rest, some = np.zeros(len(channels), np.int64), lengths > 0
        if some.any():
            rest[some] = decoder.decode(self._bits, (1 << lengths[some]).astype(np.int32))
        codes = (1 << lengths) + rest
        symbols = np.where(codes % 2 == 1, (codes - 1) // 2 + self.tables.escape, -((codes - 2) // 2) - 1)
        return (symbols + self.tables.lowest[channels]).astype(np.int32)


def new_encoder():
    """Return an empty stream to write to."""
    return _queue.RangeEncoder()


def new_decoder(payload: bytes):
    """Return a stream to read what ``shortest`` gave."""
    words = np.frombuffer(payload + bytes(8 + -len(payload) % 4), dtype=">u4").astype(np.uint32)
    return _queue.RangeDecoder(words)


def shortest(encoder) -> bytes:
    """Return the fewest bytes that, followed by zeros, lie in the interval the encoder has narrowed down."""
    if encoder.is_empty():
        return b""
    words, (lower, width) = encoder.pos()
    sealed = encoder.get_compressed().astype(">u4").tobytes()
    head, tail = sealed[: 4 * words], int.from_bytes(sealed[4 * words :].ljust(8, b"\0")[:8], "big")
    # Where the interval runs past 2^64, what lies behind that carries into the words before.
    carried = tail < lower
    for kept in range(9):
        unit = 1 << (64 - 8 * kept)
        value = -(-lower // unit) * unit
        if value - lower < width:
            break
    carries = value > _MASK
    if carries != carried and head:
        number = int.from_bytes(head, "big") + (1 if carries else -1)
        head = number.to_bytes(len(head), "big")
    return head + (value & _MASK).to_bytes(8, "big")[:kept]
