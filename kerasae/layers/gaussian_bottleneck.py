"""The bottleneck of a variational autoencoder: a Gaussian per latent, and what it costs."""

import keras
from keras import ops

# Beyond these a float32 exponential overflows or is exactly 0, and the KL with it; trained models stay far inside.
LOG_VARIANCE_RANGE = (-30.0, 20.0)


def kl_divergence(mean, log_variance):
    """Return KL(N(mean, exp(log_variance)) ‖ N(0, 1)) in nats, summed over latents: ``(batch,)``.

    ``mean`` and ``log_variance`` are ``(batch, latents)``. Closed form: Kingma & Welling 2014, appendix B.
    """
    return 0.5 * ops.sum(_twice_the_kl(mean, log_variance), axis=-1)


def _twice_the_kl(mean, log_variance):
    mean, log_variance = ops.convert_to_tensor(mean), ops.convert_to_tensor(log_variance)
    return ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance


@keras.saving.register_keras_serializable(package="kerasae")
class GaussianBottleneck(keras.layers.Layer):
    """Reparameterised Gaussian latents: the posterior mean, or a sample of the posterior (Kingma & Welling 2014).

    Called on ``[mean, log_variance]``, both ``(batch, latents)``, it returns ``(latents, rate)``: the latents
    ``(batch, latents)`` and the rate ``(batch,)``, the KL divergence to N(0, 1) in nats. The log-variance is clamped to
    ``LOG_VARIANCE_RANGE``.
    """

    def __init__(self, *, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.seed = seed
        self.generator = keras.random.SeedGenerator(seed)
        self.built = True

    def call(self, encoded, sample=False):
        """Return ``(latents, rate)``; the latents are the mean, or with ``sample`` one draw of the posterior."""
        mean, log_variance = encoded
        log_variance = ops.clip(log_variance, *LOG_VARIANCE_RANGE)
        rate = kl_divergence(mean, log_variance)
        if not sample:
            return mean, rate
        return self.draw(encoded, keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.generator)), rate

    def rate_per_latent(self, encoded):
        """Return the KL divergence to N(0, 1) of each latent in nats, ``(batch, latents)``; their sum is the rate."""
        mean, log_variance = encoded
        return 0.5 * _twice_the_kl(mean, ops.clip(log_variance, *LOG_VARIANCE_RANGE))

    def draw(self, encoded, epsilon):
        """Return the sample of the posterior that the standard normal numbers ``epsilon`` ``(batch, latents)`` pick."""
        mean, log_variance = encoded
        deviation = ops.exp(0.5 * ops.clip(log_variance, *LOG_VARIANCE_RANGE))
        return ops.add(mean, ops.multiply(deviation, epsilon))

    def get_config(self):
        """Return what is needed to build the layer again."""
        return super().get_config() | {"seed": self.seed}
