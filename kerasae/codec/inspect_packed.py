"""A packed image → what can be said of it."""

from typing import Any

from kerasae.codec.container import Packed, pack
from kerasae.codec.frozen import Frozen
from kerasae.codec.symbols import integers_of


def inspect_packed(name: str, packed: Packed, frozen: Frozen | None) -> dict[str, Any]:
    """Return a row fit for JSON: sizes, and with what was frozen of the model the estimated bits of each channel.

    ``bytes`` is that of the image as a file of its own. Raises ``CodecError`` where the payload is damaged or
    ``frozen`` of another model.
    """
    size = len(pack(packed))
    row: dict[str, Any] = {
        "name": name,
        "height": packed.height,
        "width": packed.width,
        "channels": packed.channels,
        "step": packed.step,
        "bytes": size,
        "payload_bytes": len(packed.payload),
        "bits_per_pixel": 8 * size / (packed.height * packed.width),
    }
    if frozen is None:
        return row
    integers = integers_of([packed], frozen)
    bits, escapes = frozen.levels[packed.step].bits_and_escapes(integers)
    return row | {
        "positions": integers.shape[1] * integers.shape[2],
        "escapes": int(escapes.sum()),
        "estimated_bits": float(bits.sum()),
        "bits_per_channel": [round(float(value), 2) for value in bits[0]],
    }
