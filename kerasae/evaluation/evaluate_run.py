"""Run + images → scores."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from kerasae.data import ImageSet, load_images, split_indices
from kerasae.errors import DataError
from kerasae.evaluation.latents import latent_record
from kerasae.evaluation.measure import Measured, measure
from kerasae.evaluation.score import score_rows
from kerasae.evaluation.scorer import Scorer
from kerasae.models import Compressor
from kerasae.records import LatentRecord, Score
from kerasae.training import Run

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
    model: Compressor | None = None,
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


def _refuse_other_shape(images: ImageSet, model: Compressor) -> None:
    if images.images.shape[1:] != model.image_shape:
        raise DataError(
            f"the images of {images.label} have shape {images.images.shape[1:]} (height, width, channels), the model "
            f"takes {model.image_shape}; load them with the size and channels of its recipe"
        )
