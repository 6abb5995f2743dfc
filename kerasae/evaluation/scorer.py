"""Images → the numbers of each: model and metrics as one compiled function, and the batches that it is given."""

import functools
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TypeVar

import keras
import numpy as np
from keras import ops

from kerasae.data import ImageSet
from kerasae.metrics import ssim
from kerasae.metrics.registry import scored_metrics
from kerasae.models import Autoencoder
from kerasae.models.base import pixels_of
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
    ``(batch,)``, where the input is to be noisy; ``epsilon`` ``(batch, *latent_shape)``, where a sample is wanted too.
    Returns a flat dictionary: ``<decoded_from>/<metric>`` ``(batch,)`` against the clean image, and for variational
    models ``kl`` ``(batch,)`` in nats, ``kl_per_latent`` and ``mean``, both ``(batch, latents)``. Learned codecs, at
    their default quality, have ``bits_per_pixel`` ``(batch,)`` beside ``latents/…``. Without an autoencoder the noisy
    input itself is scored: ``input/…``.
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
        scores = _compare(clean, reconstructions, "mean") | {"kl": rate, "mean": _flat(latents)}
        scores["kl_per_latent"] = _flat(self.autoencoder.bottleneck.rate_per_latent(encoded))
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

        Keras' ``predict_on_batch`` does it for one thread; ``compile_scorer`` says why not for several.
        """
        if self.at_once == 1:
            return self.predict_on_batch
        if self._score is None:
            self._score = import_module(f"kerasae.models.steps.{keras.backend.backend()}").compile_scorer(self)
        return self._score


def _compare(clean, other, decoded_from: str):
    functions = {name: metric.load() for name, metric in scored_metrics().items()}
    # ``ssim`` alone compiles better apart.
    functions |= {"ssim": fast_ssim} if "ssim" in functions else {}
    return {f"{decoded_from}/{name}": function(clean, other) for name, function in functions.items()}


def _flat(latents):
    """Return latents of any rank as ``(batch, latents)``."""
    return ops.reshape(latents, (ops.shape(latents)[0], -1))


def fixed_noise(names: Sequence[str], shape: tuple[int, ...], *, seed: int, purpose: str) -> np.ndarray:
    """Return standard normal numbers for each named image: ``(len(names), *shape)`` float32.

    They depend on the image's name, ``seed`` and ``purpose`` alone: the same for every model, backend, batch size and
    sigma, so that differences between models are differences between models.
    """
    drawn = np.empty((len(names), *shape), "float32")
    for place, name in enumerate(names):
        digest = hashlib.blake2b(f"{purpose}/{name}".encode(), digest_size=8).digest()
        generator = np.random.Generator(np.random.PCG64([seed, int.from_bytes(digest, "little")]))
        generator.standard_normal(shape, dtype="float32", out=drawn[place])
    return drawn


Batch, Result = TypeVar("Batch"), TypeVar("Result")


def in_order(
    function: Callable[[Batch], Result], batches: Sequence[Batch], *, at_once: int, first_alone: bool
) -> Iterator[Result]:
    """Yield ``function`` of each batch, in their order, from ``at_once`` threads; from the caller's own if that is 1.

    With ``first_alone`` the second batch waits for the first, which is the one that is traced and compiled. What is not
    begun when the caller stops asking is dropped.
    """
    alone = len(batches) if at_once == 1 else int(first_alone)
    yield from map(function, batches[:alone])
    if batches[alone:]:
        with ThreadPoolExecutor(at_once) as threads:
            yield from threads.map(function, batches[alone:])


@dataclass(frozen=True)
class Measured:
    """Metrics of every image: ``metrics[decoded_from][name]`` is ``(images,)``.

    ``kl`` ``(images,)``, ``kl_per_latent`` ``(images, latents)``, both in nats, and ``means`` ``(images, latents)`` are
    those of variational models; ``bits_per_pixel`` ``(images,)`` is the estimate of a learned codec's entropy model.
    """

    names: tuple[str, ...]
    metrics: dict[str, dict[str, np.ndarray]]
    kl: np.ndarray | None
    kl_per_latent: np.ndarray | None
    means: np.ndarray | None
    images_per_second: float
    bits_per_pixel: np.ndarray | None = None


def measure(
    scorer: Scorer,
    images: ImageSet,
    indexes: np.ndarray,
    *,
    sigma: float = 0.0,
    seed: int = 0,
    batch_size: int = 64,
) -> Measured:
    """Return the metrics of the images at ``indexes``, with noise of ``sigma`` on the input.

    The noise is fixed per image and ``seed``. A last partial batch is filled up with its first image and the surplus
    dropped from the result, so that every batch has one shape and no image is left out.
    """
    columns: dict[str, list[np.ndarray]] = {}
    score = scorer.function()
    batches = [np.asarray(indexes[start : start + batch_size]) for start in range(0, len(indexes), batch_size)]

    def score_batch(chosen: np.ndarray) -> dict[str, np.ndarray]:
        padded = np.concatenate([chosen, np.repeat(chosen[:1], batch_size - len(chosen))])
        scored = score(_inputs(scorer.autoencoder, images, padded, sigma, seed))
        return {name: np.asarray(values)[: len(chosen)] for name, values in scored.items()}

    kind = (batch_size, *images.images.shape[1:], bool(sigma))
    results = in_order(score_batch, batches, at_once=scorer.at_once, first_alone=kind not in scorer.scored)
    began = time.perf_counter()
    for scored in results:
        scorer.scored.add(kind)
        for name, values in scored.items():
            columns.setdefault(name, []).append(values)
    seconds = time.perf_counter() - began
    joined = {name: np.concatenate(parts) for name, parts in columns.items()}
    metrics: dict[str, dict[str, np.ndarray]] = {}
    for name, values in joined.items():
        if "/" in name:
            decoded_from, metric = name.split("/")
            metrics.setdefault(decoded_from, {})[metric] = values.astype("float64")
    names = tuple(images.names[index] for index in indexes)
    latents = (joined.get(name) for name in ("kl", "kl_per_latent", "mean"))
    return Measured(names, metrics, *latents, len(indexes) / seconds, joined.get("bits_per_pixel"))


def _inputs(autoencoder: Autoencoder | None, images: ImageSet, indexes: np.ndarray, sigma: float, seed: int):
    batch = np.asarray(images.images[indexes])
    names = [images.names[index] for index in indexes]
    inputs = {"images": batch}
    if sigma:
        inputs["noise"] = fixed_noise(names, batch.shape[1:], seed=seed, purpose="input")
        inputs["sigma"] = np.full(len(batch), sigma, "float32")
    if autoencoder is not None and autoencoder.is_variational:
        shape = autoencoder.latent_shape_for(batch.shape[1:])
        inputs["epsilon"] = fixed_noise(names, shape, seed=seed, purpose="sample")
    return inputs
