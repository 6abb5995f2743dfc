"""Packed images → their integers, without the network: the part that must be equal everywhere."""

from collections.abc import Sequence

import numpy as np

from kerasae.codec.container import Packed
from kerasae.codec.frozen import Frozen
from kerasae.errors import CodecError


def integers_of(packed: Sequence[Packed], frozen: Frozen) -> np.ndarray:
    """Return the quantised latents of images of one size and step, int32 ``(images, rows, columns, channels)``.

    Raises ``CodecError`` where a payload is damaged or of another model.
    """
    for one in packed:
        _refuse_other(one, frozen)
    first = packed[0]
    level = frozen.levels[first.step]
    payloads = [one.payload for one in packed]
    integers = level.decode(payloads, *frozen.geometry.grid(first.height, first.width))
    level.check(payloads, integers)
    return integers


def _refuse_other(packed: Packed, frozen: Frozen) -> None:
    if packed.fingerprint != frozen.fingerprint:
        raise CodecError(
            f"the file was written by the model {packed.fingerprint.hex()}, this one is {frozen.fingerprint.hex()}; "
            "kerasae decompress finds the right run where it is under runs/, --run names it"
        )
    if packed.channels != frozen.geometry.channels or packed.step >= len(frozen.levels):
        raise CodecError(
            f"the file is damaged: step {packed.step} and {packed.channels} channels; the model has steps up to "
            f"{len(frozen.levels) - 1} and {frozen.geometry.channels} channels"
        )
