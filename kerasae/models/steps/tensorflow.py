"""The step on TensorFlow."""

from collections.abc import Callable

import keras
import tensorflow as tf

from kerasae.runtime import worth_compiling


class Step:
    """``train_step`` and ``test_step`` of a model with ``unpack``, ``objective`` and ``track``; see ``Autoencoder``."""

    def gradients(self, inputs, targets, weights=None):
        """Return the gradient of the loss for every trainable variable, with the terms it came with."""
        return self._gradients(inputs, targets, weights)[:2]

    def _gradients(self, inputs, targets, weights, scale=lambda loss: loss):
        with tf.GradientTape() as tape:
            loss, terms, reconstructions = self.objective(inputs, targets, weights, training=True)
            loss = scale(loss)
        values = [variable.value for variable in self.trainable_variables]
        return tape.gradient(loss, values), terms, reconstructions

    def train_step(self, data):
        """Update weights and trackers on one batch."""
        inputs, targets, weights = self.unpack(data, training=True)
        gradients, terms, reconstructions = self._gradients(inputs, targets, weights, self.optimizer.scale_loss)
        self.optimizer.apply(gradients, self.trainable_variables)
        return self.track(terms, targets, reconstructions, weights)

    def test_step(self, data):
        """Update the trackers on one batch."""
        inputs, targets, weights = self.unpack(data, training=False)
        _, terms, reconstructions = self.objective(inputs, targets, weights, training=False)
        return self.track(terms, targets, reconstructions, weights)


def compile_loop(model: keras.Model, *, training: bool) -> Callable:
    """Return ``loop(batches, start, stop)``, which trains a compiled ``model`` on these of ``Batches``, or tests it.

    It returns the means of the terms so far.
    """
    step_of = model.train_step if training else model.test_step

    @tf.function(jit_compile=worth_compiling(), autograph=False, reduce_retracing=True)
    def run(images, order, weights, start, stop):
        names = []

        def one(step):
            batch = tf.gather(images, order[step])
            names[:] = step_of(batch if weights is None else (batch, weights[step]))
            return (step + 1,)

        tf.while_loop(lambda step: step < stop, one, (start,), parallel_iterations=1)
        logs = model.get_metrics_result()
        return {name: logs[name] for name in names}

    def loop(batches, start: int, stop: int) -> dict:
        # As tensors: numbers would be traced as constants, each anew.
        return run(batches.images, batches.order, batches.weights, tf.constant(start), tf.constant(stop))

    return loop


def compile_gradient(model: keras.Model) -> Callable[[dict], tuple]:
    """Return ``inputs → (gradient, outputs)``: of the sum of the output ``cost`` by the input ``moves``."""

    @tf.function(jit_compile=worth_compiling())
    def traced(inputs):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs["moves"])
            outputs = model(inputs)
            total = tf.reduce_sum(outputs["cost"])
        return tape.gradient(total, inputs["moves"]), outputs

    return lambda inputs: traced({name: tf.convert_to_tensor(array) for name, array in inputs.items()})


def compile_scorer(scorer: keras.Model) -> Callable[[dict], dict]:
    """Return ``inputs → scores``, traced once for each shape; ``predict_on_batch`` forgets the batch's size."""
    traced = tf.function(lambda inputs: scorer(inputs, training=False), jit_compile=worth_compiling())
    # As tensors: each NumPy array would be traced as a constant of its own.
    return lambda inputs: traced({name: tf.convert_to_tensor(array) for name, array in inputs.items()})


def compile_metric(metric: Callable) -> Callable:
    """Return ``metric`` of two images compiled by XLA, for use inside a graph that is not; it has no gradient."""
    return tf.function(metric, jit_compile=True)
