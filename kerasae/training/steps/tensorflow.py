"""The step on TensorFlow."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kerasae.runtime import worth_compiling
from kerasae.training.steps.unpack import images_of


class Step:
    """``train_step`` and ``test_step`` of a ``Trainer``; see there for ``forward`` and ``track``."""

    def gradients(self, images):
        """Return the gradient of the loss for every trainable variable, with the terms it came with."""
        with tf.GradientTape() as tape:
            loss, terms = self.forward(images)
        return tape.gradient(loss, [variable.value for variable in self.trainable_variables]), terms

    def train_step(self, data):
        """Update weights and trackers on one batch of uint8 images."""
        gradients, terms = self.gradients(images_of(data))
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.track(terms)

    def test_step(self, data):
        """Update the trackers on one batch of uint8 images."""
        return self.track(self.validate(images_of(data)))


def compile_scorer(scorer: keras.Model) -> Callable[[dict], dict]:
    """Return ``inputs → scores``, traced once for each shape; ``predict_on_batch`` forgets the batch's size."""
    traced = tf.function(lambda inputs: scorer(inputs, training=False), jit_compile=worth_compiling())
    # As tensors: each NumPy array would be traced as a constant of its own.
    return lambda inputs: traced({name: tf.convert_to_tensor(array) for name, array in inputs.items()})


def compile_metric(metric: Callable) -> Callable:
    """Return ``metric`` of two images compiled by XLA, for use inside a graph that is not; it has no gradient."""
    return tf.function(metric, jit_compile=True)
