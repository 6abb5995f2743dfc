"""In which order an epoch sees the images: a pure function, so that a resumed run sees them in the same order."""

import numpy as np


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """Return the permutation of ``count`` images, ``(count,)`` int64, that ``epoch`` (from 0) trains in.

    The same on every backend, with tf.data and without.
    """
    return np.random.Generator(np.random.PCG64([seed, epoch, 0x0DE2])).permutation(count)
