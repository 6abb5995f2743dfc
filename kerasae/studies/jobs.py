"""The kinds of job of a study: ``JOBS`` names the function for each.

In: a ``Job`` and its ``Recipe``. Out: files in the job's folders (a trained and scored run, the scores of the noisy
images themselves, the points of the classical codecs), and what a timing job measured. Loads Keras and the backend;
``kerasae.studies.run.run_job`` chooses that first.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kerasae.codec import Codec, freeze_run
from kerasae.data import ImageSet, load_images, split_indices
from kerasae.data.batches import Feed
from kerasae.evaluation import evaluate, score_run
from kerasae.evaluation.scorer import Scorer, measure
from kerasae.files import write_json
from kerasae.rate_distortion.classical import classical_codec, installed_codecs
from kerasae.rate_distortion.compare import ClassicalContender, ModelContender, compare
from kerasae.recipes import Recipe
from kerasae.studies.plan import Job, codecs_path, missing_sigmas, rate_path
from kerasae.training import Reporter, build_trainer, train
from kerasae.training.callbacks import EpochLoop
from kerasae.training.devices import OneDevice
from kerasae.training.run import equal_run, image_scores_path, save_image_scores

ReportProgress = Callable[[int, int], None]


class _EpochProgress(Reporter):
    """Passes the number of finished epochs on."""

    def __init__(self, report: ReportProgress):
        self.report = report
        self.epochs = 0

    def begin(self, *, epochs, epochs_done, steps_per_epoch, images):
        self.epochs = epochs
        self.report(epochs_done, epochs)

    def epoch(self, row):
        self.report(int(row["epoch"]), self.epochs)


def train_and_score(job: Job, recipe: Recipe, report: ReportProgress) -> dict[str, Any]:
    """Train, score and, where rates are wanted, code with the run of ``job``; what is done already is kept."""
    run = equal_run(recipe, job.backend, job.runs) or train(recipe, runs=job.runs, reporter=_EpochProgress(report))
    sigmas = missing_sigmas(run, job)
    needs_rate = job.rate and not rate_path(run, job.split).is_file()
    if run.scores() and not sigmas and not needs_rate:
        return {}
    images, model = run.load_images(), run.load_model()
    if not run.scores():
        score_run(run, images, model)
        sigmas = missing_sigmas(run, job)
    if sigmas:
        evaluation = evaluate(run, images=images, model=model, splits=[job.split], sigmas=sigmas, seed=job.noise_seed)
        evaluation.save_image_scores(run.folder)
    if needs_rate:
        freeze_run(run, images=images, model=model)
        codec = Codec.load(run)
        contender = ModelContender(run.name, codec, codec.frozen.whole_qualities())
        _write_rate_points([contender], images, recipe, job.split, rate_path(run, job.split))
    return {}


def score_noisy_images(job: Job, recipe: Recipe, report: ReportProgress) -> dict[str, Any]:
    """Score the noisy images of the study's split themselves, under each of its sigmas above 0."""
    images = load_images(recipe.data)
    indexes, scorer = split_indices(images, recipe.data)[job.split], Scorer(None)
    for sigma in job.sigmas:
        path = image_scores_path(Path(job.folder), split=job.split, sigma=sigma, seed=job.noise_seed)
        if sigma and not path.is_file():
            measured = measure(scorer, images, indexes, sigma=sigma, seed=job.noise_seed)
            save_image_scores(path, measured.names, measured.metrics)
    return {}


def measure_classical_codecs(job: Job, recipe: Recipe, report: ReportProgress) -> dict[str, Any]:
    """Measure the installed classical codecs, at best effort, on the images of the study's split."""
    codecs = [classical_codec(name) for name in installed_codecs()]
    contenders = [ClassicalContender(codec, codec.qualities, "best") for codec in codecs]
    _write_rate_points(contenders, load_images(recipe.data), recipe, job.split, codecs_path(job.folder))
    return {}


def _write_rate_points(contenders, images: ImageSet, recipe: Recipe, split: str, path: Path) -> None:
    indexes = split_indices(images, recipe.data)[split]
    names = [images.names[index] for index in indexes]
    points = compare(contenders, list(images.images[indexes]), names=names).points
    write_json(path, [point.as_dict() for point in points])


_TIMED_SECONDS = 2.0


def measure_speed(job: Job, recipe: Recipe, report: ReportProgress) -> dict[str, Any]:
    """Train and score for about two seconds each; return images per second and how many images there are.

    Compiling is timed apart, and for the second time: the first also loads libraries and compiles what a worker keeps
    from run to run. The keys are ``train_images``, ``scored_images`` (by split), ``train_images_per_second``,
    ``score_images_per_second``, ``compile_seconds``, and ``timed_seconds``, which all but the first time took.
    """
    images = load_images(recipe.data)
    splits = split_indices(images, recipe.data)
    # A few batches stand for an epoch, which may take minutes.
    few_batches = splits["train"][: 4 * recipe.training.batch_size]
    feed = Feed(images.images, few_batches, batch_size=recipe.training.batch_size, seed=0)
    few = splits["test"][:64]

    def prepared() -> tuple[Callable[[int], int], Callable[[int], int]]:
        trainer = build_trainer(recipe, steps_per_epoch=feed.steps)
        loop = EpochLoop(trainer, OneDevice().bring(feed, recipe))
        scorer = Scorer(trainer.autoencoder)

        def train_epoch(epoch: int) -> int:
            loop.train_epoch(epoch)
            return len(few_batches)

        def score_step(step: int) -> int:
            measure(scorer, images, few)
            return len(few)

        train_epoch(0)
        score_step(0)
        return train_epoch, score_step

    prepared()
    began = time.perf_counter()
    train_epoch, score_step = prepared()
    compile_seconds = time.perf_counter() - began
    measured = {
        "train_images": len(splits["train"]),
        "scored_images": {split: len(indexes) for split, indexes in splits.items()},
        "train_images_per_second": _images_per_second(train_epoch),
        "score_images_per_second": _images_per_second(score_step),
        "compile_seconds": round(compile_seconds, 2),
    }
    return measured | {"timed_seconds": round(time.perf_counter() - began, 2)}


def _images_per_second(work: Callable[[int], int]) -> float:
    began, step, images = time.perf_counter(), 0, 0
    while (elapsed := time.perf_counter() - began) < _TIMED_SECONDS:
        images += work(step)
        step += 1
    return round(images / elapsed, 1)


JOBS: dict[str, Callable[[Job, Recipe, ReportProgress], dict[str, Any]]] = {
    "run": train_and_score,
    "do nothing": score_noisy_images,
    "codecs": measure_classical_codecs,
    "timing": measure_speed,
}
