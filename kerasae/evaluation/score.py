"""Runs → scores: of one run, of several over a range of noise, and of doing nothing; and a run's examples."""

import csv
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from kerasae.data import ImageSet, load_images, split_indices
from kerasae.data.splits import SPLITS
from kerasae.errors import DataError, RunError
from kerasae.evaluation.scorer import Measured, Scorer, fixed_noise, measure
from kerasae.evaluation.statistics import bootstrap_interval
from kerasae.files import replacing, write_json
from kerasae.metrics.registry import psnr_of_mse, scored_metrics
from kerasae.models import Autoencoder
from kerasae.models.base import LEAST_VARIANCE
from kerasae.recipes import Recipe
from kerasae.records import ACTIVE_VARIANCE, Example, LatentRecord, Score, Summary
from kerasae.training import Run, load_run
from kerasae.training.run import image_scores_path, save_examples, save_image_scores


def reconstruct(
    model: Autoencoder,
    images: ImageSet,
    indexes: np.ndarray,
    *,
    sigma: float = 0.0,
    seed: int = 0,
    sample: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return originals, inputs and reconstructions, each ``(images, height, width, channels)`` float32 in [0, 1].

    The noise, and with ``sample`` the draw of the posterior, are those that ``measure`` scored.
    """
    originals = np.asarray(images.images[indexes], "float32") / 255.0
    names = [images.names[index] for index in indexes]
    inputs = originals
    if sigma:
        noise = fixed_noise(names, originals.shape[1:], seed=seed, purpose="input")
        inputs = np.clip(originals + np.float32(sigma) * noise, 0.0, 1.0)
    # As NumPy arrays the encoded images carry no gradients along on PyTorch.
    encoded = keras.tree.map_structure(keras.ops.convert_to_numpy, model.encoder(inputs))
    latents, _ = model.bottleneck(encoded)
    if sample:
        shape = model.latent_shape_for(originals.shape[1:])
        epsilon = fixed_noise(names, shape, seed=seed, purpose="sample")
        latents = model.bottleneck.draw(encoded, epsilon)
    return originals, inputs, keras.ops.convert_to_numpy(model.decode(latents))


def choose_examples(
    model: Autoencoder, images: ImageSet, measured: Mapping[tuple[str, float], Measured], seed: int
) -> list[Example]:
    """Return the best, median and worst images by PSNR, two of each, for every noise and decoding.

    ``measured`` is by (split, sigma), under the noise of ``seed``. They are test images, or where there are none those
    of the validation.
    """
    shown_split = "test" if any(split == "test" for split, _ in measured) else "validation"
    index_of = {name: index for index, name in enumerate(images.names)}
    found = []
    for (split, sigma), numbers in measured.items():
        for decoded_from, metrics in numbers.metrics.items() if split == shown_split else ():
            ranks = ranked(metrics["psnr"])
            names = [numbers.names[index] for index in ranks.values()]
            indexes = np.array([index_of[name] for name in names])
            shown = reconstruct(model, images, indexes, sigma=sigma, seed=seed, sample=decoded_from == "sample")
            for rank, index, *pixels in zip(ranks, ranks.values(), *shown, strict=True):
                values = {name: float(column[index]) for name, column in metrics.items()}
                eight_bit = (np.rint(np.clip(one, 0, 1) * 255).astype("uint8") for one in pixels)
                found.append(Example(numbers.names[index], rank, split, sigma, decoded_from, values, *eight_bit))
    return found


def ranked(psnr: np.ndarray) -> dict[str, int]:
    """Return the indexes of the best, median and worst images, two of each where there are enough."""
    order = np.argsort(-psnr, kind="stable")
    count, middle = len(order), len(order) // 2
    if count < 6:
        return {f"rank {place + 1} of {count}": int(order[place]) for place in range(count)}
    places = {"best": 0, "2nd best": 1, "median": middle, "next to median": middle + 1, "2nd worst": -2, "worst": -1}
    return {name: int(order[place]) for name, place in places.items()}


def summarize(values: np.ndarray) -> Summary:
    """Return mean, standard deviation over images (n − 1) and 95 % bootstrap interval of ``values`` ``(images,)``."""
    values = np.asarray(values, "float64")
    low, high = bootstrap_interval(values)
    std = float(values.std(ddof=1)) if len(values) > 1 else 0.0
    return Summary(float(values.mean()), std, float(low), float(high))


def score_rows(measured: Measured, *, run: str, data: str, split: str, sigma: float) -> list[Score]:
    """Return one score for each thing that was decoded: ``latents``, or ``mean`` and ``sample``, or ``input``."""
    rows = []
    for decoded_from, metrics in measured.metrics.items():
        extra = {}
        if measured.kl is not None:
            extra = {"kl_nats": float(measured.kl.mean()), "active_units": active_units(measured.means)}
        if measured.bits_per_pixel is not None:
            extra = {"bits_per_pixel": float(measured.bits_per_pixel.mean())}
        rows.append(
            Score(
                run=run,
                data=data,
                split=split,
                sigma=sigma,
                decoded_from=decoded_from,
                count=len(measured.names),
                metrics={name: summarize(values) for name, values in metrics.items()},
                psnr_of_mean_mse=float(psnr_of_mse(metrics["mse"].mean())),
                **extra,
            )
        )
    return rows


def active_units(means: np.ndarray) -> int:
    """Return how many latents' posterior means ``(images, latents)`` have a variance over images above 0.01."""
    return int((means.var(axis=0) > ACTIVE_VARIANCE).sum())


def latent_record(measured: Measured, recipe: Recipe, *, split: str, numbers: int) -> LatentRecord:
    """Return KL per latent, active units and ELBO of what ``measure`` found on the clean images of ``split``.

    ``numbers`` is how many an image has: height · width · channels. The expected log-likelihood is that of one sample
    per image, the fixed one that was scored: log p(x|z) = −D/2 · log(2πσ²) − D·MSE / (2σ²) with D = ``numbers``; the
    ELBO is its mean less that of the KL divergence (Kingma & Welling 2014). Both in nats per image.
    """
    mse = measured.metrics["sample"]["mse"]
    variance, words = _likelihood(recipe, float(mse.mean()))
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


@dataclass(frozen=True)
class Evaluation:
    """Scores, and the numbers of every image behind them by (split, sigma); ``seed`` is that of the noise.

    ``latents`` are those of a variational run over its clean test images, where these were scored; of a run without
    test images they are over the validation images.
    """

    scores: list[Score]
    measured: dict[tuple[str, float], Measured] = field(default_factory=dict)
    seed: int = 0
    latents: LatentRecord | None = None

    def save_image_scores(self, folder: Path) -> None:
        """Write the numbers of every image into the run's ``evaluations/``, a file for each split and noise."""
        for (split, sigma), measured in self.measured.items():
            path = image_scores_path(folder, split=split, sigma=sigma, seed=self.seed)
            save_image_scores(path, measured.names, measured.metrics)

    def save(self, folder: Path) -> None:
        """Write everything that a run's folder holds of an evaluation; ``scores.json``, a row a score, comes last.

        Before it ``latents.json`` (variational runs), ``evaluations/`` and the same numbers as ``scores.csv``, which is
        for other programs: kerasae does not read it.
        """
        if self.latents is not None:
            write_json(folder / "latents.json", self.latents.as_dict())
        self.save_image_scores(folder)
        with replacing(folder / "scores.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["file", "split", "sigma", "decoded_from", *scored_metrics()])
            for (split, sigma), measured in self.measured.items():
                for decoded_from, metrics in measured.metrics.items():
                    for name, *values in zip(measured.names, *metrics.values(), strict=True):
                        writer.writerow([name, split, sigma, decoded_from, *(f"{value:.8g}" for value in values)])
        write_json(folder / "scores.json", [score.as_dict() for score in self.scores])


def evaluate(
    run: Run | str | Path,
    *,
    images: ImageSet | np.ndarray | None = None,
    model: Autoencoder | None = None,
    splits: Sequence[str] | None = None,
    sigmas: Sequence[float] | None = None,
    seed: int = 0,
    runs: str | Path | None = None,
) -> Evaluation:
    """Score a run on the validation and test images of its own, clean and, if it was trained with noise, noisy.

    Args:
        run: a run, its folder, its name, or ``latest``.
        images: other images to score on, uint8 or float in [0, 1], ``(count, height, width, channels)``.
        model: the run's model, where it is loaded already.
        splits: of ``train``, ``validation``, ``test`` and ``all``; without it what there is of ``validation`` and
            ``test``, or ``all`` of other ``images``. The run's recipe says which image is in which split.
        sigmas: noise on the input in [0, 1] intensity, instead of the run's own; 0 is clean.
        seed: decides the noise of each image.
        runs: the folder of runs that a name is looked up in.

    Raises:
        DataError: the images do not have the model's shape, or a split that was asked for is empty.
        RunError: there is no such run, or no trained model, or its source holds other images than it was trained on.
    """
    run = run if isinstance(run, Run) else load_run(run, runs)
    model = model or run.load_model()
    if splits is None and images is not None:
        splits = ("all",)
    if images is None:
        images = run.load_images()
    elif not isinstance(images, ImageSet):
        images = ImageSet.from_array(images)
    _refuse_other_shape(images, model)
    if sigmas is None:
        sigmas = [0.0, run.recipe.noise.sigma] if run.recipe.noise.sigma else [0.0]
    scorer = Scorer(model)
    found = Evaluation([], seed=seed)
    for split, indexes in chosen_indexes(images, run.recipe.data, splits).items():
        for sigma in sigmas:
            measured = measure(scorer, images, indexes, sigma=sigma, seed=seed)
            found.measured[split, sigma] = measured
            found.scores.extend(score_rows(measured, run=run.name, data=images.label, split=split, sigma=sigma))
    split = "test"
    if ("validation", 0.0) in found.measured and "test" not in own_splits(images, run.recipe.data):
        split = "validation"
    clean = found.measured.get((split, 0.0))
    if clean is None or not model.is_variational:
        return found
    numbers = math.prod(images.images.shape[1:])
    return replace(found, latents=latent_record(clean, run.recipe, split=split, numbers=numbers))


def score_run(run: Run, images: ImageSet, model: Autoencoder) -> None:
    """Evaluate ``run`` on the validation and test images of its own and write scores and examples into its folder.

    ``scores.json`` comes last: it marks the run as evaluated.
    """
    evaluation = evaluate(run, images=images, model=model, splits=own_splits(images, run.recipe.data))
    save_examples(run.folder / "examples.npz", choose_examples(model, images, evaluation.measured, evaluation.seed))
    evaluation.save(run.folder)


def do_nothing(
    images: ImageSet, indexes: np.ndarray, *, split: str, sigmas: Sequence[float], seed: int = 0
) -> list[Score]:
    """Score the noisy input itself, for each sigma: what every model has to beat."""
    scorer, rows = Scorer(None), []
    for sigma in sigmas:
        measured = measure(scorer, images, indexes, sigma=sigma, seed=seed)
        rows += score_rows(measured, run="do nothing", data=images.label, split=split, sigma=sigma)
    return rows


DEFAULT_SIGMAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


def noise_sweep(
    runs: Sequence[Run],
    *,
    sigmas: Sequence[float] = DEFAULT_SIGMAS,
    split: str = "test",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Score]:
    """Return the scores of every run at every sigma, and those of doing nothing at every sigma above 0.

    All runs see the same images under the same noise. Raises ``RunError`` where their recipes name different images,
    or one was trained on others than these.
    """
    data = runs[0].recipe.data
    for run in runs[1:]:
        if run.recipe.data != data:
            raise RunError(
                f"{run.name} and {runs[0].name} were trained on different images or splits, so their scores do not "
                "compare; sweep them one at a time"
            )
    images = load_images(data)
    for run in runs:
        run.refuse_other_images(images)
    rows = []
    for run in runs:
        if progress:
            progress(run.name)
        rows += evaluate(run, images=images, splits=[split], sigmas=sigmas, seed=seed).scores
    indexes = chosen_indexes(images, data, [split])[split]
    return rows + do_nothing(images, indexes, split=split, sigmas=[sigma for sigma in sigmas if sigma], seed=seed)


def own_splits(images: ImageSet, data) -> list[str]:
    """Return which of ``validation`` and ``test`` hold images."""
    made = split_indices(images, data)
    return [split for split in ("validation", "test") if len(made.get(split, ()))]


def chosen_indexes(images: ImageSet, data, splits: Sequence[str] | None) -> dict[str, np.ndarray]:
    """Return the indexes of each split asked for; ``all`` is every image; without ``splits``, those of its own."""
    for split in splits or ():
        if split not in (*SPLITS, "all"):
            raise DataError(f"{split!r} is not a split; it is one of {', '.join(SPLITS)}, all")
    made = {"all": np.arange(len(images.names))}
    if splits is None or set(splits) != {"all"}:
        made |= split_indices(images, data)
    for split in splits or ():
        if not len(made.get(split, ())):
            held = ", ".join(name for name, indexes in made.items() if len(indexes))
            raise DataError(f"{images.label} has no {split} images; there are images in {held}")
    return {split: made[split] for split in splits or own_splits(images, data)}


def _refuse_other_shape(images: ImageSet, model: Autoencoder) -> None:
    shape = images.images.shape[1:]
    if any(needed is not None and side != needed for side, needed in zip(shape, model.image_shape, strict=True)):
        needed = tuple("any" if side is None else side for side in model.image_shape)
        raise DataError(
            f"the images of {images.label} have shape {shape} (height, width, channels), the model takes "
            f"({', '.join(map(str, needed))}); load them with the size and channels of its recipe"
        )
    if any(
        side % model.stride for side, needed in zip(shape[:2], model.image_shape[:2], strict=True) if needed is None
    ):
        raise DataError(
            f"the images of {images.label} are {shape[0]}×{shape[1]} pixels; the model takes sides that are multiples "
            f"of {model.stride}: crop or pad them"
        )
