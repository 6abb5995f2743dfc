"""A quality between levels as shares of its neighbours."""

from keras import ops


def level_shares(quality, levels: int):
    """Return ``(batch, levels)``: how much of each level a quality is, by linear interpolation.

    ``quality`` is ``(batch,)`` from 1 to ``levels``; what lies outside counts as the end that is nearer.
    """
    place = ops.clip(ops.cast(quality, "float32") - 1.0, 0.0, levels - 1.0)
    return ops.relu(1.0 - ops.abs(place[:, None] - ops.arange(levels, dtype="float32")))
