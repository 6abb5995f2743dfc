"""A branch that is switched off when training starts."""

import keras


@keras.saving.register_keras_serializable(package="kerasae")
class ChannelScale(keras.layers.Layer):
    """Multiply each channel by a weight that starts as 0.

    What stands beside the branch then works from the first step, and the branch comes in as it learns to help
    (ReZero, Bachlechner et al. 2021). Input and output: ``(batch, …, channels)``.
    """

    def build(self, input_shape):
        """Make a weight for each channel."""
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, x):
        """Return ``x`` times the weights."""
        return x * self.scale

    def compute_output_shape(self, input_shape):
        """Return the input's shape."""
        return input_shape
