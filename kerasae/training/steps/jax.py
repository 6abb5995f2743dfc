"""The step on JAX: the same as the others, with the state passed in and out."""

from collections.abc import Callable

import jax
import keras

from kerasae.training.steps.unpack import images_of, weights_of


class Step:
    """``train_step`` and ``test_step`` of a ``Trainer``; see there for ``forward`` and ``track``."""

    def gradients(self, images):
        """Return the gradient of the loss for every trainable variable, with the terms it came with."""
        values = [variable.value for variable in self.trainable_variables]
        state = [variable.value for variable in self.non_trainable_variables]
        # Compiled whole, as ``fit`` compiles it; XLA would compile each operation by itself, which takes minutes.
        (_, (terms, state)), gradients = jax.jit(self._value_and_gradients)(values, state, images)
        for variable, value in zip(self.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return gradients, terms

    def _value_and_gradients(self, trainable, non_trainable, images, weights=None):
        def loss_of(trainable, non_trainable):
            with self._scope(trainable, non_trainable) as scope:
                loss, terms = self.forward(images, weights)
            return loss, (terms, _read(scope, self.non_trainable_variables))

        return jax.value_and_grad(loss_of, has_aux=True)(trainable, non_trainable)

    def _scope(self, trainable, non_trainable):
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        return keras.StatelessScope(list(zip(variables, [*trainable, *non_trainable], strict=True)))

    def _tracked(self, terms, weights, metrics):
        with keras.StatelessScope(list(zip(self.metrics_variables, metrics, strict=True))) as scope:
            logs = self.track(terms, weights)
        return logs, _read(scope, self.metrics_variables)

    def train_step(self, state, data):
        """Return logs and the state after one batch of uint8 images."""
        trainable, non_trainable, optimizer, metrics = state
        images, weights = images_of(data), weights_of(data)
        (_, (terms, non_trainable)), gradients = self._value_and_gradients(trainable, non_trainable, images, weights)
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        logs, metrics = self._tracked(terms, weights, metrics)
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        """Return logs and the state after one batch of uint8 images."""
        trainable, non_trainable, metrics = state
        with self._scope(trainable, non_trainable) as scope:
            terms = self.validate(images_of(data), weights_of(data))
        logs, metrics = self._tracked(terms, weights_of(data), metrics)
        return logs, (trainable, _read(scope, self.non_trainable_variables), metrics)


def _read(scope, variables):
    return [scope.get_current_value(variable) for variable in variables]


def compile_scorer(scorer: keras.Model) -> Callable[[dict], dict]:
    """Return ``inputs → scores``, which leaves the weights where they are.

    ``predict_on_batch`` hands them to each call for good and takes them back from it, which two threads cannot both do.
    """
    compiled = jax.jit(lambda trainable, others, inputs: scorer.stateless_call(trainable, others, inputs)[0])

    def score(inputs: dict) -> dict:
        state = ([v.value for v in some] for some in (scorer.trainable_variables, scorer.non_trainable_variables))
        return compiled(*state, inputs)

    return score
