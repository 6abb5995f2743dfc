"""The step on PyTorch."""

from collections.abc import Callable

import keras
import torch


class Step:
    """``train_step`` and ``test_step`` of a model with ``unpack``, ``objective`` and ``track``; see ``Autoencoder``."""

    def gradients(self, inputs, targets, weights=None):
        """Return the gradient of the loss for every trainable variable, with the terms it came with."""
        return self._gradients(inputs, targets, weights)[:2]

    def _gradients(self, inputs, targets, weights, scale=lambda loss: loss):
        loss, terms, reconstructions = self.objective(inputs, targets, weights, training=True)
        values = [variable.value for variable in self.trainable_variables]
        # A weight that the loss does not depend on has no gradient, which the optimizer passes over.
        gradients = torch.autograd.grad(scale(loss), values, allow_unused=True)
        return gradients, {name: term.detach() for name, term in terms.items()}, reconstructions.detach()

    def train_step(self, data):
        """Update weights and trackers on one batch."""
        inputs, targets, weights = self.unpack(data, training=True)
        gradients, terms, reconstructions = self._gradients(inputs, targets, weights, self.optimizer.scale_loss)
        with torch.no_grad():
            self.optimizer.apply(gradients, self.trainable_variables)
            return self.track(terms, targets, reconstructions, weights)

    def test_step(self, data):
        """Update the trackers on one batch."""
        inputs, targets, weights = self.unpack(data, training=False)
        with torch.no_grad():
            _, terms, reconstructions = self.objective(inputs, targets, weights, training=False)
            return self.track(terms, targets, reconstructions, weights)


def compile_loop(model, *, training: bool) -> Callable:
    """Return ``loop(batches, start, stop)``, which trains a compiled ``model`` on these of ``Batches``, or tests it.

    It returns the means of the terms so far.
    """
    step_of = model.train_step if training else model.test_step

    def loop(batches, start: int, stop: int) -> dict:
        # For layers that are PyTorch's own, as Keras' ``fit`` does.
        model.train(training)
        for step in range(start, stop):
            images = batches.images[batches.order[step]]
            logs = step_of(images if batches.weights is None else (images, batches.weights[step]))
        return logs

    return loop


def compile_gradient(model: keras.Model) -> Callable[[dict], tuple]:
    """Return ``inputs → (gradient, outputs)``: of the sum of the output ``cost`` by the input ``moves``."""

    def gradient(inputs: dict) -> tuple:
        inputs = {name: keras.ops.convert_to_tensor(array) for name, array in inputs.items()}
        moves = inputs["moves"].requires_grad_()
        outputs = model(inputs)
        (found,) = torch.autograd.grad(outputs["cost"].sum(), moves)
        return found, {name: one.detach() for name, one in outputs.items()}

    return gradient
