"""Run + images → scores."""

import hashlib
import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import keras
import numpy as np

from kerasae.data import ImageSet, load_images, split_indices
from kerasae.errors import DataError
from kerasae.evaluation.scorer import Scorer
from kerasae.evaluation.statistics import bootstrap_interval
from kerasae.models import Autoencoder
from kerasae.models.objectives import LEAST_VARIANCE
from kerasae.recipes import Recipe
from kerasae.records import LatentRecord, Score, Summary
from kerasae.training import Run


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
        scored = score(_inputs(scorer.autoencoder, images, padded, sigma, seed))
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


def _inputs(autoencoder: keras.Model | None, images: ImageSet, indexes: np.ndarray, sigma: float, seed: int):
    batch = np.asarray(images.images[indexes])
    names = [images.names[index] for index in indexes]
    inputs = {"images": batch}
    if sigma:
        inputs["noise"] = fixed_noise(names, batch.shape[1:], seed=seed, purpose="input")
        inputs["sigma"] = np.full(len(batch), sigma, "float32")
    if autoencoder is not None and autoencoder.is_variational:
        inputs["epsilon"] = fixed_noise(names, autoencoder.latent_shape, seed=seed, purpose="sample")
    return inputs


def summarise(values: np.ndarray) -> Summary:
    """Return mean, standard deviation over images (n − 1) and 95 % bootstrap interval of ``values`` ``(images,)``."""
    values = np.asarray(values, "float64")
    low, high = bootstrap_interval(values)
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Summary(float(values.mean()), std, float(low), float(high))


# Burda, Grosse & Salakhutdinov 2016: a latent is active if its posterior mean varies over images by more than this.
ACTIVE_VARIANCE = 0.01


def score_rows(measured: Measured, *, run: str, data: str, split: str, sigma: float) -> list[Score]:
    """Return one score for each thing that was decoded: ``latents``, or ``mean`` and ``sample``, or ``input``."""
    rows = []
    for decoded_from, metrics in measured.metrics.items():
        extra = {}
        if measured.kl is not None:
            extra = {"kl_nats": float(measured.kl.mean()), "active_units": active_units(measured.means)}
        if measured.bits_per_pixel is not None:
            extra = {"bits_per_pixel": float(measured.bits_per_pixel.mean())}
        mean_mse = float(metrics["mse"].mean())
        rows.append(
            Score(
                run=run,
                data=data,
                split=split,
                sigma=sigma,
                decoded_from=decoded_from,
                count=len(measured.names),
                psnr_of_mean_mse=-10 * math.log10(max(mean_mse, 1e-10)),
                **{name: summarise(values) for name, values in metrics.items()},
                **extra,
            )
        )
    return rows


def active_units(means: np.ndarray) -> int:
    """Return how many latents' posterior means ``(images, latents)`` have a variance over images above 0.01."""
    return int((means.var(axis=0) > ACTIVE_VARIANCE).sum())


def latent_record(measured: Measured, recipe: Recipe, *, split: str) -> LatentRecord:
    """Return KL per latent, active units and ELBO of what ``measure`` found on the clean images of ``split``.

    The expected log-likelihood is that of one sample per image, the fixed one that was scored:
    log p(x|z) = −D/2 · log(2πσ²) − D·MSE / (2σ²) with D numbers an image; the ELBO is its mean less that of the KL
    divergence (Kingma & Welling 2014). Both in nats per image.
    """
    mse = measured.metrics["sample"]["mse"]
    variance, words = _likelihood(recipe, float(mse.mean()))
    numbers = recipe.data.image_size**2 * recipe.data.channels
    log_likelihood = -0.5 * numbers * (math.log(2 * math.pi * variance) + float(mse.mean()) / variance)
    kl = measured.kl_per_latent.astype("float64").mean(axis=0)
    return LatentRecord(
        split=split,
        images=len(measured.names),
        kl_nats=tuple(kl.tolist()),
        mean_variance=tuple(measured.means.var(axis=0).tolist()),
        active_units=active_units(measured.means),
        active_threshold=ACTIVE_VARIANCE,
        log_likelihood_nats=log_likelihood,
        elbo_nats=log_likelihood - float(np.sum(kl)),
        likelihood=words,
    )


def _likelihood(recipe: Recipe, mse: float) -> tuple[float, str]:
    """Return the variance of the decoder's Gaussian, and where it comes from."""
    weight = recipe.objective.rate_weight
    if recipe.objective.likelihood == "calibrated":
        variance = max(mse, LEAST_VARIANCE)
        return variance, f"Gaussian, variance {variance:.3g}: the mean squared error of the samples over these images"
    if weight == 0:
        return 0.5, "Gaussian, variance 0.5; trained with rate weight 0, which implies no variance of its own"
    # SSE + β·KL is β times SSE/(2σ²) + KL with σ² = β/2, up to a constant.
    variance = weight / 2
    return variance, (
        f"Gaussian, variance {variance:g}, implied by the objective: "
        f"squared error summed over pixels + {weight:g} · KL, up to a constant"
    )


SPLITS = ("train", "validation", "test")


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the numbers of every image behind them by (split, sigma); ``seed`` is that of the noise.

    ``latents`` are those of a variational run over its clean test images, where these were scored.
    """

    scores: list[Score]
    measured: dict[tuple[str, float], Measured] = field(default_factory=dict)
    seed: int = 0
    latents: LatentRecord | None = None


def evaluate(
    run: Run,
    *,
    images: ImageSet | None = None,
    model: Autoencoder | None = None,
    splits: Sequence[str] = ("validation", "test"),
    sigmas: Sequence[float] | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Score a run on ``splits`` of its own images, clean and, if it was trained with noise, noisy.

    ``images`` scores on another set instead, whose splits are made by the run's recipe; the split ``all`` takes every
    image. ``sigmas`` replaces the noise; 0 is clean. ``seed`` decides the noise of each image.

    Raises ``DataError`` where the images do not have the model's shape, ``RunError`` where there is no trained model.
    """
    model = model or run.load_model()
    images = images if images is not None else load_images(run.recipe.data)
    _refuse_other_shape(images, model)
    if sigmas is None:
        sigmas = [0.0, run.recipe.noise.sigma] if run.recipe.noise.sigma else [0.0]
    scorer = Scorer(model)
    found = Evaluation([], seed=seed)
    for split, indexes in chosen_indexes(images, run.recipe.data, splits).items():
        for sigma in sigmas:
            measured = measure(scorer, images, indexes, sigma=sigma, seed=seed, progress=progress)
            found.measured[split, sigma] = measured
            found.scores.extend(score_rows(measured, run=run.name, data=images.label, split=split, sigma=sigma))
    clean = found.measured.get(("test", 0.0))
    if clean is None or not model.is_variational:
        return found
    return replace(found, latents=latent_record(clean, run.recipe, split="test"))


def do_nothing(
    images: ImageSet, indexes: np.ndarray, *, split: str, sigmas: Sequence[float], seed: int = 0
) -> list[Score]:
    """Score the noisy input itself, for each sigma: what every model has to beat."""
    scorer, rows = Scorer(None), []
    for sigma in sigmas:
        measured = measure(scorer, images, indexes, sigma=sigma, seed=seed)
        rows += score_rows(measured, run="do nothing", data=images.label, split=split, sigma=sigma)
    return rows


def chosen_indexes(images: ImageSet, data, splits: Sequence[str]) -> dict[str, np.ndarray]:
    """Return the indexes of each split asked for; ``all`` is every image."""
    for split in splits:
        if split not in (*SPLITS, "all"):
            raise DataError(f"{split!r} is not a split; it is one of {', '.join(SPLITS)}, all")
    made = split_indices(images, data) if set(splits) - {"all"} else {}
    return {split: np.arange(len(images.names)) if split == "all" else made[split] for split in splits}


def _refuse_other_shape(images: ImageSet, model: Autoencoder) -> None:
    found = images.images.shape[1:]
    if any(side not in (None, there) for side, there in zip(model.image_shape, found, strict=True)):
        raise DataError(
            f"the images of {images.label} have shape {images.images.shape[1:]} (height, width, channels), the model "
            f"takes {model.image_shape}; load them with the size and channels of its recipe"
        )
