"""Model and metrics as one compiled function."""

import keras
from keras import ops

from kerasae.metrics import mse, psnr, ssim
from kerasae.models import Compressor
from kerasae.runtime import worth_compiling


class Scorer(keras.Model):
    """One batch of images → metrics of every image.

    Called on a dictionary: ``images`` uint8 ``(batch, height, width, channels)``; ``noise`` of that shape and ``sigma``
    ``(batch,)``, where the input is to be noisy; ``epsilon`` ``(batch, latents)``, where a sample is wanted as well.
    Returns a flat dictionary: ``<decoded_from>/mse``, ``/psnr``, ``/ssim`` ``(batch,)`` against the clean image, and
    for variational models ``kl`` ``(batch,)`` in nats, ``kl_per_latent`` and ``mean``, both ``(batch, latents)``.
    Learned codecs, at their default quality, have ``bits_per_pixel`` ``(batch,)`` beside ``latents/…``.
    Without a compressor the noisy input itself is scored: ``input/…``.
    """

    def __init__(self, compressor: Compressor | None):
        super().__init__(name="scorer")
        self.compressor = compressor
        self.built = True
        self.compile(jit_compile=worth_compiling())

    def call(self, inputs):
        """Score one batch."""
        clean = ops.cast(inputs["images"], "float32") / 255.0
        given = clean
        if "noise" in inputs:
            given = ops.clip(clean + ops.reshape(inputs["sigma"], (-1, 1, 1, 1)) * inputs["noise"], 0.0, 1.0)
        if self.compressor is None:
            return _compare(clean, given, "input")
        encoded = self.compressor.encoder(given)
        latents, rate = self.compressor.bottleneck(encoded)
        reconstructions = self.compressor.decode(latents)
        if self.compressor.has_entropy_model:
            bits = self.compressor.bits_per_pixel(rate)
            return _compare(clean, reconstructions, "latents") | {"bits_per_pixel": bits}
        if not self.compressor.is_variational:
            return _compare(clean, reconstructions, "latents")
        scores = _compare(clean, reconstructions, "mean") | {"kl": rate, "mean": latents}
        scores["kl_per_latent"] = self.compressor.bottleneck.rate_per_latent(encoded)
        if "epsilon" in inputs:
            sample = self.compressor.bottleneck.draw(encoded, inputs["epsilon"])
            scores |= _compare(clean, self.compressor.decode(sample), "sample")
        return scores


def _compare(clean, other, decoded_from: str):
    metrics = {"mse": mse, "psnr": psnr, "ssim": ssim}
    return {f"{decoded_from}/{name}": metric(clean, other) for name, metric in metrics.items()}
