"""The step on JAX: the same as the others, with the state passed in and out."""

from collections.abc import Callable

import jax
import keras


class Step:
    """``train_step`` and ``test_step`` of a model with ``unpack``, ``objective`` and ``track``; see ``Autoencoder``."""

    def gradients(self, inputs, targets, weights=None):
        """Return the gradient of the loss for every trainable variable, with the terms it came with."""
        values = [variable.value for variable in self.trainable_variables]
        state = [variable.value for variable in self.non_trainable_variables]
        # Compiled whole, as ``fit`` compiles it; XLA would compile each operation by itself, which takes minutes.
        (_, (terms, _, state)), gradients = jax.jit(self._value_and_gradients)(
            values, state, [], inputs, targets, weights
        )
        for variable, value in zip(self.non_trainable_variables, state, strict=True):
            variable.assign(value)
        return gradients, terms

    def _value_and_gradients(self, trainable, non_trainable, optimizer, inputs, targets, weights):
        def loss_of(trainable, non_trainable):
            with self._scope(trainable, non_trainable, optimizer) as scope:
                loss, terms, reconstructions = self.objective(inputs, targets, weights, training=True)
                if optimizer:
                    loss = self.optimizer.scale_loss(loss)
            return loss, (terms, reconstructions, _read(scope, self.non_trainable_variables))

        return jax.value_and_grad(loss_of, has_aux=True)(trainable, non_trainable)

    def _scope(self, trainable, non_trainable, optimizer=()):
        variables = [*self.trainable_variables, *self.non_trainable_variables]
        values = [*trainable, *non_trainable]
        if optimizer:
            variables, values = [*variables, *self.optimizer.variables], [*values, *optimizer]
        return keras.StatelessScope(list(zip(variables, values, strict=True)), collect_losses=True)

    def _tracked(self, metrics, terms, targets, reconstructions, weights):
        with keras.StatelessScope(list(zip(self.metrics_variables, metrics, strict=True))) as scope:
            logs = self.track(terms, targets, reconstructions, weights)
        return logs, _read(scope, self.metrics_variables)

    def train_step(self, state, data):
        """Return logs and the state after one batch."""
        trainable, non_trainable, optimizer, metrics = state
        inputs, targets, weights = self.unpack(data)
        (_, (terms, reconstructions, non_trainable)), gradients = self._value_and_gradients(
            trainable, non_trainable, optimizer, inputs, targets, weights
        )
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        logs, metrics = self._tracked(metrics, terms, targets, reconstructions, weights)
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        """Return logs and the state after one batch."""
        trainable, non_trainable, metrics = state
        inputs, targets, weights = self.unpack(data)
        with self._scope(trainable, non_trainable) as scope:
            _, terms, reconstructions = self.objective(inputs, targets, weights, training=False)
        logs, metrics = self._tracked(metrics, terms, targets, reconstructions, weights)
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
