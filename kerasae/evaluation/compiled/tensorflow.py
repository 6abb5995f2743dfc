"""Scoring on TensorFlow in graphs that know the size of their batch, without which XLA cannot compile SSIM's walk."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kerasae.runtime import worth_compiling


def compile_scorer(scorer: keras.Model) -> Callable[[dict], dict]:
    """Return ``inputs → scores``, traced once for each shape; ``predict_on_batch`` forgets the batch's size."""
    traced = tf.function(lambda inputs: scorer(inputs, training=False), jit_compile=worth_compiling())
    # As tensors: each NumPy array would be traced as a constant of its own.
    return lambda inputs: traced({name: tf.convert_to_tensor(array) for name, array in inputs.items()})


def compile_metric(metric: Callable) -> Callable:
    """Return ``metric`` of two images compiled by XLA, for use inside a graph that is not; it has no gradient."""
    return tf.function(metric, jit_compile=True)
