"""Weights that a density holds for each channel."""

import numpy as np
from keras import ops

from kerasae.errors import ModelError


def add_channel_weight(layer, name: str, shape: tuple[int, ...], start):
    """Return a new trainable float32 weight of ``layer`` that starts as ``start`` broadcast to ``shape``.

    Drawn nowhere and rounded nowhere: the start is the same on every backend, and the value stays float32 inside a
    model of mixed precision.
    """

    def initial(shape, dtype=None):
        return ops.convert_to_tensor(np.broadcast_to(start, shape).astype("float32"))

    return layer.add_weight(name=name, shape=shape, initializer=initial, dtype="float32", autocast=False)


def as_float64(weight) -> np.ndarray:
    """Return the value of ``weight`` as NumPy float64."""
    return ops.convert_to_numpy(weight).astype(np.float64)


def check_channels(layer, shape) -> None:
    """Raise ``ModelError`` where the last axis of ``shape`` is not the ``channels`` that ``layer`` was made for."""
    if shape[-1] != layer.channels:
        raise ModelError(
            f"{layer.name} was made for latents of {layer.channels} channels on the last axis; "
            f"got shape {tuple(shape)}; make the density with channels={shape[-1]}"
        )
