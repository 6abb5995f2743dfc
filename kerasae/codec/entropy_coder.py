"""Integers + tables ↔ bytes: the one place that uses constriction.

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

import constriction
import numpy as np

from kerasae.codec.tables import Tables
from kerasae.errors import CodecError

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
