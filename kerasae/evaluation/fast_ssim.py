"""SSIM for scoring: XLA compiles it on a CPU under TensorFlow too, though nothing around it."""

import functools

import keras

from kerasae.metrics import ssim
from kerasae.runtime import worth_compiling


def fast_ssim(x, y):
    """Return ``kerasae.metrics.ssim(x, y)``, ``(batch,)``; gradients are not to be had from it.

    On a CPU TensorFlow is twice as slow with XLA where it convolves, and several times as fast where it walks the rows
    of SSIM. Of batches whose size is not known when the graph is made it cannot compile that walk.
    """
    if keras.backend.backend() != "tensorflow" or worth_compiling() or None in (*x.shape, *y.shape):
        return ssim(x, y)
    return _compiled()(x, y)


@functools.cache
def _compiled():
    from kerasae.evaluation.compiled.tensorflow import compile_metric

    return compile_metric(functools.partial(ssim, by_rows=True))
