"""The step on JAX: the same as the others, with the state passed in and out.

On a CPU, a batch whose images are independent is computed in parts that stay in its caches: loss and gradients are the
sums of the parts', up to rounding.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import keras
import numpy as np

from kerasae.runtime import xla_on_cpu


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
        def loss_of(trainable, non_trainable, inputs, targets, weights):
            with self._scope(trainable, non_trainable, optimizer) as scope:
                loss, terms, reconstructions = self.objective(inputs, targets, weights, training=True)
                if optimizer:
                    loss = self.optimizer.scale_loss(loss)
            return loss, (terms, reconstructions, _read(scope, self.non_trainable_variables))

        differentiate = jax.value_and_grad(loss_of, has_aux=True)
        # What is split over devices is small already.
        parts = self.parts(inputs) if keras.distribution.distribution() is None else 1
        if parts == 1:
            return differentiate(trainable, non_trainable, inputs, targets, weights)

        # Each part's means count by what is in it.
        counts = jnp.ones((parts,)) if weights is None else weights.reshape(parts, -1).sum(1)
        shares = counts / counts.sum()

        def add(gradients, part):
            share, *batch = part
            (loss, (terms, reconstructions, _)), more = differentiate(trainable, non_trainable, *batch)
            return jax.tree.map(lambda total, one: total + share * one, gradients, more), (loss, terms, reconstructions)

        def joined(one):
            return jnp.sum(shares * one) if one.ndim == 1 else one.reshape(-1, *one.shape[2:])

        split = jax.tree.map(lambda one: one.reshape(parts, -1, *one.shape[1:]), (inputs, targets, weights))
        none_yet = jax.tree.map(jnp.zeros_like, trainable)
        gradients, found = jax.lax.scan(add, none_yet, (shares, *split))
        loss, terms, reconstructions = jax.tree.map(joined, found)
        return (loss, (terms, reconstructions, non_trainable)), gradients

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
        with self._scope(trainable, non_trainable) as scope:
            inputs, targets, weights = self.unpack(data, training=True)
        non_trainable = _read(scope, self.non_trainable_variables)
        (_, (terms, reconstructions, non_trainable)), gradients = self._value_and_gradients(
            trainable, non_trainable, optimizer, inputs, targets, weights
        )
        trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
        logs, metrics = self._tracked(metrics, terms, targets, reconstructions, weights)
        return logs, (trainable, non_trainable, optimizer, metrics)

    def test_step(self, state, data):
        """Return logs and the state after one batch."""
        trainable, non_trainable, metrics = state
        with self._scope(trainable, non_trainable) as scope:
            inputs, targets, weights = self.unpack(data, training=False)
            _, terms, reconstructions = self.objective(inputs, targets, weights, training=False)
        logs, metrics = self._tracked(metrics, terms, targets, reconstructions, weights)
        return logs, (trainable, _read(scope, self.non_trainable_variables), metrics)


def _read(scope, variables):
    return [scope.get_current_value(variable) for variable in variables]


def compile_loop(model: keras.Model, *, training: bool) -> Callable:
    """Return ``loop(batches, start, stop)``, which trains a compiled ``model`` on these of ``Batches``, or tests it.

    It returns the means of the terms so far, without waiting for the device. One program serves any number of steps,
    since where it starts and stops are arguments; so are the images, which would otherwise be constants of it. The
    state before is given away for that after.

    On a CPU the program is one step, and Python calls it again and again: inside of a loop XLA computes the gradient of
    a convolution's kernel 30 times slower there (JAX 0.10).
    """
    step_of = model.train_step if training else model.test_step
    one_by_one = xla_on_cpu()

    def run(state, arrays, start, stop):
        images, order, weights = arrays

        def one(step, state):
            batch = _split_over_devices(images[order[step]])
            logs, state = step_of(state, batch if weights is None else (batch, weights[step]))
            names[:] = logs
            return tuple(list(group) for group in state)

        names = []
        state = one(start, state) if one_by_one else jax.lax.fori_loop(start, stop, one, state)
        with keras.StatelessScope(list(zip(model.metrics_variables, state[-1], strict=True))):
            logs = model.get_metrics_result()
        return state, {name: logs[name] for name in names}

    compiled = None

    def loop(batches, start: int, stop: int) -> dict:
        nonlocal compiled
        groups = [model.trainable_variables, model.non_trainable_variables]
        groups += [model.optimizer.variables, model.metrics_variables] if training else [model.metrics_variables]
        state = tuple([variable.value for variable in group] for group in groups)
        if compiled is None:
            options = {}
            if keras.distribution.distribution() is not None:
                # Where the state lies before, there it lies after: on every device.
                options["out_shardings"] = (jax.tree.map(lambda value: value.sharding, state), None)
            compiled = jax.jit(run, donate_argnums=0, **options)
        arrays = (batches.images, batches.order, batches.weights)
        for first in range(start, stop) if one_by_one else (start,):
            state, logs = compiled(state, arrays, np.int32(first), np.int32(stop))
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)
        return logs

    return loop


def _split_over_devices(batch):
    distribution = keras.distribution.distribution()
    if distribution is None:
        return batch
    return keras.distribution.distribute_tensor(batch, distribution.get_data_layout(batch.shape))


def compile_gradient(model: keras.Model) -> Callable[[dict], tuple]:
    """Return ``inputs → (gradient, outputs)``: of the sum of the output ``cost`` by the input ``moves``."""

    def cost(moves, trainable, others, inputs):
        outputs, _ = model.stateless_call(trainable, others, inputs | {"moves": moves})
        return jnp.sum(outputs["cost"]), outputs

    compiled = jax.jit(jax.grad(cost, has_aux=True))

    return lambda inputs: compiled(inputs["moves"], *_weights_of(model), inputs)


def compile_scorer(scorer: keras.Model) -> Callable[[dict], dict]:
    """Return ``inputs → scores``, which leaves the weights where they are.

    ``predict_on_batch`` hands them to each call for good and takes them back from it, which two threads cannot both do.
    """
    compiled = jax.jit(lambda trainable, others, inputs: scorer.stateless_call(trainable, others, inputs)[0])

    return lambda inputs: compiled(*_weights_of(scorer), inputs)


def _weights_of(model: keras.Model) -> tuple[list, list]:
    """Return the arrays of what is trained and of what is not, as a stateless call takes them."""
    groups = model.trainable_variables, model.non_trainable_variables
    return tuple([variable.value for variable in group] for group in groups)
