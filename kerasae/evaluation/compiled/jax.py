"""Scoring on JAX with weights that many threads read."""

from collections.abc import Callable

import jax
import keras


def compile_scorer(scorer: keras.Model) -> Callable[[dict], dict]:
    """Return ``inputs → scores``, which leaves the weights where they are.

    ``predict_on_batch`` hands them to each call for good and takes them back from it, which two threads cannot both do.
    """
    compiled = jax.jit(lambda trainable, others, inputs: scorer.stateless_call(trainable, others, inputs)[0])

    def score(inputs: dict) -> dict:
        state = ([v.value for v in some] for some in (scorer.trainable_variables, scorer.non_trainable_variables))
        return compiled(*state, inputs)

    return score
