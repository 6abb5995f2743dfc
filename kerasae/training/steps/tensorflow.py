"""The step on TensorFlow."""

import tensorflow as tf

from kerasae.training.steps.images_of import images_of


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
