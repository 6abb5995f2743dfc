"""The decoder of ``codec.entropy_coder`` once more, in nothing but Python integers.

Written from the description of range coding (Martin 1979) with 32-bit words, 64-bit state and 24-bit probabilities; it
shares no code with the package.
"""

from bisect import bisect_right

MASK = 2**64 - 1


class RangeDecoder:
    def __init__(self, payload):
        self.payload, self.place = payload, 0
        self.low, self.width = 0, MASK
        self.point = self.word() << 32 | self.word()

    def word(self):
        part = self.payload[self.place : self.place + 4].ljust(4, b"\0")
        self.place += 4
        return int.from_bytes(part, "big")

    def symbol(self, cumulative):
        """Decode one symbol; ``cumulative`` are the frequencies below each symbol, up to 2^24."""
        unit = self.width >> 24
        symbol = bisect_right(cumulative, ((self.point - self.low) & MASK) // unit) - 1
        self.low = (self.low + unit * cumulative[symbol]) & MASK
        self.width = unit * (cumulative[symbol + 1] - cumulative[symbol])
        if self.width < 2**32:
            self.low, self.width = self.low << 32 & MASK, self.width << 32
            self.point = (self.point << 32 & MASK) | self.word()
        return symbol

    def uniform(self, size):
        """Decode one of ``size`` equally likely symbols; the last takes what does not divide."""
        return self.symbol([place * (2**24 // size) for place in range(size)] + [2**24])


def decode(payload, positions, frequencies, lowest):
    """Return ``integers[position][channel]``."""
    decoder = RangeDecoder(payload)
    channels, escape = len(frequencies), len(frequencies[0]) - 1
    columns, escapes = [], []
    for channel in range(channels):
        cumulative = [0]
        for frequency in frequencies[channel]:
            cumulative.append(cumulative[-1] + int(frequency))
        column = []
        for position in range(positions):
            symbol = decoder.symbol(cumulative)
            if symbol == escape:
                escapes.append((channel, position))
            column.append(symbol + int(lowest[channel]))
        columns.append(column)
    lengths = [decoder.uniform(24) for _ in escapes]
    codes = [2**length + (decoder.uniform(2**length) if length else 0) for length in lengths]
    for (channel, position), code in zip(escapes, codes, strict=True):
        beyond, after = divmod(code - 1, 2) if code % 2 else (code // 2 - 1, None)
        symbol = escape + beyond if after is not None else -1 - beyond
        columns[channel][position] = symbol + int(lowest[channel])
    return [list(row) for row in zip(*columns, strict=True)]
