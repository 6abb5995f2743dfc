"""Model and metrics as one compiled function."""

import functools
from collections.abc import Callable
from importlib import import_module

import keras
from keras import ops

from kerasae.metrics import mse, psnr, ssim
from kerasae.models import Autoencoder
from kerasae.models.objectives import pixels_of
from kerasae.runtime import worth_compiling


def fast_ssim(x, y):
    """Return ``kerasae.metrics.ssim(x, y)``, ``(batch,)``; gradients are not to be had from it.

    On a CPU TensorFlow is twice as slow with XLA where it convolves, and several times as fast where it walks the rows
    of SSIM. Of batches whose size is not known when the graph is made it cannot compile that walk.
    """
    if keras.backend.backend() != "tensorflow" or worth_compiling() or None in (*x.shape, *y.shape):
        return ssim(x, y)
    return _compiled()(x, y)


@functools.cache
def _compiled():
    from kerasae.models.steps.tensorflow import compile_metric

    return compile_metric(functools.partial(ssim, by_rows=True))


class Scorer(keras.Model):
    """One batch of images → metrics of every image.

    Called on a dictionary: ``images`` uint8 ``(batch, height, width, channels)``; ``noise`` of that shape and ``sigma``
    ``(batch,)``, where the input is to be noisy; ``epsilon`` ``(batch, latents)``, where a sample is wanted as well.
    Returns a flat dictionary: ``<decoded_from>/mse``, ``/psnr``, ``/ssim`` ``(batch,)`` against the clean image, and
    for variational models ``kl`` ``(batch,)`` in nats, ``kl_per_latent`` and ``mean``, both ``(batch, latents)``.
    Learned codecs, at their default quality, have ``bits_per_pixel`` ``(batch,)`` beside ``latents/…``.
    Without a autoencoder the noisy input itself is scored: ``input/…``.
    """

    def __init__(self, autoencoder: Autoencoder | None):
        super().__init__(name="scorer")
        self.autoencoder = autoencoder
        self._score = None
        # Kinds of batches that were scored, and so are compiled.
        self.scored = set()
        self.built = True
        self.compile(jit_compile=worth_compiling())

    def call(self, inputs):
        """Score one batch."""
        clean = ops.cast(inputs["images"], "float32") / 255.0
        given = clean
        if "noise" in inputs:
            given = ops.clip(clean + ops.reshape(inputs["sigma"], (-1, 1, 1, 1)) * inputs["noise"], 0.0, 1.0)
        if self.autoencoder is None:
            return _compare(clean, given, "input")
        encoded = self.autoencoder.encoder(given)
        latents, rate = self.autoencoder.bottleneck(encoded)
        reconstructions = self.autoencoder.decode(latents)
        if self.autoencoder.has_entropy_model:
            bits = self.autoencoder.bits_per_pixel(rate, pixels_of(clean))
            return _compare(clean, reconstructions, "latents") | {"bits_per_pixel": bits}
        if not self.autoencoder.is_variational:
            return _compare(clean, reconstructions, "latents")
        scores = _compare(clean, reconstructions, "mean") | {"kl": rate, "mean": latents}
        scores["kl_per_latent"] = self.autoencoder.bottleneck.rate_per_latent(encoded)
        if "epsilon" in inputs:
            sample = self.autoencoder.bottleneck.draw(encoded, inputs["epsilon"])
            scores |= _compare(clean, self.autoencoder.decode(sample), "sample")
        return scores

    @property
    def at_once(self) -> int:
        """How many threads may call ``function()`` at once, and gain by it.

        XLA walks SSIM's rows on one core: a second batch gives the other work. PyTorch's operations share the cores as
        it is, and a ``keras.distribution`` the devices.
        """
        return 1 if keras.backend.backend() == "torch" or keras.distribution.distribution() is not None else 2

    def function(self) -> Callable[[dict], dict]:
        """Return what scores a batch with the weights as they are when it is called.

        Keras' ``predict_on_batch`` does it for one thread; ``compiled`` says why not for several.
        """
        if self.at_once == 1:
            return self.predict_on_batch
        if self._score is None:
            self._score = import_module(f"kerasae.models.steps.{keras.backend.backend()}").compile_scorer(self)
        return self._score


def _compare(clean, other, decoded_from: str):
    metrics = {"mse": mse, "psnr": psnr, "ssim": fast_ssim}
    return {f"{decoded_from}/{name}": metric(clean, other) for name, metric in metrics.items()}
