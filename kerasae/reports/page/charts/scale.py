"""From numbers to places."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """Maps ``low`` … ``high`` onto ``start`` … ``end``, linearly or by logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """Return the place of ``value``."""
        low, high, value = (math.log(number) if self.log else number for number in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """Return about ``count`` round numbers within the scale."""
        return _log_ticks(self.low, self.high, count) if self.log else _round_ticks(self.low, self.high, count)


def spanning(values: list[float], start: float, end: float, *, log: bool = False, margin: float = 0.05) -> Scale:
    """Return a scale over the finite ``values``, a ``margin`` of its length beyond; of some width if all agree."""
    finite = [value for value in values if math.isfinite(value) and (value > 0 or not log)] or [1.0]
    low, high = min(finite), max(finite)
    if log:
        low, high = (low / 1.5, high * 1.5) if high / low < 1.0001 else (low, high)
        room = (high / low) ** margin
        return Scale(low / room, high * room, start, end, log=True)
    if high - low < 1e-9 * max(1.0, abs(high)):
        low, high = low - 0.5 * max(abs(low), 1e-3) * 0.1, high + 0.5 * max(abs(high), 1e-3) * 0.1
    room = margin * (high - low)
    return Scale(low - room, high + room, start, end)


def _round_ticks(low, high, count):
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(index * step, 12) for index in range(first, last + 1)]


def _log_ticks(low, high, count):
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for parts in ((1, 2, 3, 4, 5, 6, 8), (1, 2, 5), (1, 3), (1,)):
        ticks = [part * 10.0**decade for decade in decades for part in parts]
        ticks = [tick for tick in ticks if low * 0.999 <= tick <= high * 1.001]
        if len(ticks) <= count + 1:
            break
    if len(ticks) > count + 1:
        ticks = ticks[:: -(-len(ticks) // count)]
    return ticks if len(ticks) >= 2 else [tick for tick in _round_ticks(low, high, count) if tick > 0]
