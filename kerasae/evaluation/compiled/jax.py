"""Scoring on JAX with weights that many threads read."""

from collections.abc import Callable

import jax
import keras


def compile_scorer(scorer: keras.Model) -> Callable[[list, list, dict], dict]:
    """Return ``(trainable values, other values, inputs) → scores``; unlike Keras' own, it leaves the values alone.

    ``predict_on_batch`` hands the weights to each call for good and takes them back from it, which two threads cannot
    both do.
    """
    return jax.jit(lambda trainable, others, inputs: scorer.stateless_call(trainable, others, inputs)[0])
