"""A packed image → its integers, without the network: the part that must be equal everywhere."""

import numpy as np

from kerasae.codec.container import Packed
from kerasae.codec.frozen import Frozen
from kerasae.errors import CodecError


def residuals_of(packed: Packed, frozen: Frozen) -> np.ndarray:
    """Return what was coded of an image, int32 ``(positions, channels)``.

    Raises ``CodecError`` where the payload is damaged or of another model.
    """
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
    coder = frozen.levels[packed.step].coder
    rows, columns = frozen.geometry.grid(packed.height, packed.width)
    residuals = coder.decode(packed.payload, rows * columns)
    coder.check(packed.payload, residuals)
    return residuals


def integers_of(packed: Packed, frozen: Frozen) -> np.ndarray:
    """Return the quantised latents of an image, int32 ``(rows, columns, channels)``; raises as ``residuals_of``."""
    rows, columns = frozen.geometry.grid(packed.height, packed.width)
    residuals = residuals_of(packed, frozen)
    return frozen.levels[packed.step].integers(residuals[np.newaxis], rows, columns)[0]
