"""Model + images → one number per image."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import keras
import numpy as np

from kerasae.data import ImageSet
from kerasae.evaluation.fixed_noise import fixed_noise
from kerasae.evaluation.in_order import in_order
from kerasae.evaluation.scorer import Scorer


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
    progress: Callable[[int, int], None] | None = None,
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
        scored = score(_inputs(scorer.compressor, images, padded, sigma, seed))
        return {name: np.asarray(values)[: len(chosen)] for name, values in scored.items()}

    kind = (batch_size, *images.images.shape[1:], bool(sigma))
    results = in_order(score_batch, batches, at_once=scorer.at_once, first_alone=kind not in scorer.scored)
    began, done = time.perf_counter(), 0
    for chosen, scored in zip(batches, results, strict=True):
        scorer.scored.add(kind)
        for name, values in scored.items():
            columns.setdefault(name, []).append(values)
        done += len(chosen)
        if progress:
            progress(done, len(indexes))
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


def _inputs(compressor: keras.Model | None, images: ImageSet, indexes: np.ndarray, sigma: float, seed: int):
    batch = np.asarray(images.images[indexes])
    names = [images.names[index] for index in indexes]
    inputs = {"images": batch}
    if sigma:
        inputs["noise"] = fixed_noise(names, batch.shape[1:], seed=seed, purpose="input")
        inputs["sigma"] = np.full(len(batch), sigma, "float32")
    if compressor is not None and compressor.is_variational:
        inputs["epsilon"] = fixed_noise(names, compressor.latent_shape, seed=seed, purpose="sample")
    return inputs
