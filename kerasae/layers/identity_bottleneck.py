"""The bottleneck of a plain autoencoder."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="kerasae")
class IdentityBottleneck(keras.layers.Layer):
    """Pass the latents on; the rate is 0, since nothing in training pays for them.

    Called on latents ``(batch, …)``, it returns ``(latents, rate)`` with rate ``(batch,)``.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.built = True

    def call(self, encoded, sample=False):
        """Return ``(latents, 0)``; there is nothing to sample."""
        return encoded, ops.zeros((ops.shape(encoded)[0],), dtype=encoded.dtype)
