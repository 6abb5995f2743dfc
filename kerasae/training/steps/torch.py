"""The step on PyTorch."""

import torch

from kerasae.training.steps.unpack import images_of


class Step:
    """``train_step`` and ``test_step`` of a ``Trainer``; see there for ``forward`` and ``track``."""

    def gradients(self, images):
        """Return the gradient of the loss for every trainable variable, with the terms it came with."""
        loss, terms = self.forward(images)
        values = [variable.value for variable in self.trainable_variables]
        return torch.autograd.grad(loss, values), {name: term.detach() for name, term in terms.items()}

    def train_step(self, data):
        """Update weights and trackers on one batch of uint8 images."""
        gradients, terms = self.gradients(images_of(data))
        with torch.no_grad():
            self.optimizer.apply(gradients, self.trainable_variables)
            return self.track(terms)

    def test_step(self, data):
        """Update the trackers on one batch of uint8 images."""
        with torch.no_grad():
            return self.track(self.validate(images_of(data)))
