"""One job of a study: a run trained, scored and measured, or what runs are compared with."""

import os
import time
import traceback
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from kerasae.data import ImageSet, load_images, split_indices
from kerasae.data.batches import TrainingFeed
from kerasae.errors import KerasaeError
from kerasae.evaluation import evaluate, score_run
from kerasae.evaluation.scorer import Scorer, measure
from kerasae.files import write_json
from kerasae.models import Autoencoder
from kerasae.recipes import Recipe
from kerasae.studies.plan import (
    Job,
    Outcome,
    codecs_path,
    missing_sigmas,
    rate_path,
)
from kerasae.training import Reporter, Run, build_trainer, train
from kerasae.training.run import equal_run, image_scores_path, save_image_scores


class EpochProgress(Reporter):
    """Passes the number of finished epochs on."""

    def __init__(self, tell):
        self.tell = tell
        self.epochs = 0

    def begin(self, *, epochs, epochs_done, steps_per_epoch, images):
        """Tell where training begins."""
        self.epochs = epochs
        self.tell(epochs_done, epochs)

    def epoch(self, row):
        """Tell of an epoch."""
        self.tell(int(row["epoch"]), self.epochs)


_SECONDS = 2.0


def time_recipe(recipe: Recipe) -> dict:
    """Train and score for about two seconds each; return images per second and how many images there are.

    Compiling is timed apart: ``compile_seconds``. The keys are ``train_images``, ``scored_images`` (by split),
    ``train_images_per_second``, ``score_images_per_second``, ``compile_seconds``.
    """
    images = load_images(recipe.data)
    splits = split_indices(images, recipe.data)
    batch_size = recipe.training.batch_size
    feed = TrainingFeed(images.images, splits["train"], batch_size=batch_size, seed=0, first_epoch=0, epochs=1)
    trainer = build_trainer(recipe, steps_per_epoch=feed.steps_per_epoch)
    began = time.perf_counter()
    trainer.train_on_batch(feed.batch(0))
    scorer = Scorer(trainer.autoencoder)
    few = splits["test"][:64]
    measure(scorer, images, few)
    compile_seconds = time.perf_counter() - began
    return {
        "train_images": len(splits["train"]),
        "scored_images": {split: len(indexes) for split, indexes in splits.items()},
        "train_images_per_second": _speed(lambda step: _train(trainer, feed.batch(step % feed.steps_per_epoch))),
        "score_images_per_second": _speed(lambda step: _score(scorer, images, few)),
        "compile_seconds": round(compile_seconds, 2),
    }


def _train(trainer, batch: np.ndarray) -> int:
    trainer.train_on_batch(batch)
    return len(batch)


def _score(scorer, images, few) -> int:
    measure(scorer, images, few)
    return len(few)


def _speed(work) -> float:
    began, step, images = time.perf_counter(), 0, 0
    while time.perf_counter() - began < _SECONDS:
        images += work(step)
        step += 1
    return round(images / (time.perf_counter() - began), 1)


def score_nothing(job: Job, recipe: Recipe) -> dict:
    """Score the noisy images of the study's split under each of its sigmas above 0, into the study's folder."""
    images = load_images(recipe.data)
    indexes, scorer = split_indices(images, recipe.data)[job.split], Scorer(None)
    for sigma in job.sigmas:
        path = image_scores_path(Path(job.folder), split=job.split, sigma=sigma, seed=job.noise_seed)
        if sigma and not path.is_file():
            measured = measure(scorer, images, indexes, sigma=sigma, seed=job.noise_seed)
            save_image_scores(path, measured.names, measured.metrics)
    return {}


def measure_codecs(job: Job, recipe: Recipe) -> dict:
    """Measure the installed classical codecs, at best effort, on the study's images, into the study's folder."""
    from kerasae.rate_distortion.classical import classical_codec, installed_codecs
    from kerasae.rate_distortion.compare import ClassicalContender, compare

    images = load_images(recipe.data)
    indexes = split_indices(images, recipe.data)[job.split]
    codecs = [classical_codec(name) for name in installed_codecs()]
    contenders = [ClassicalContender(codec, codec.qualities, "best") for codec in codecs]
    names = [images.names[index] for index in indexes]
    points = compare(contenders, list(images.images[indexes]), names=names).points
    write_json(codecs_path(job.folder), [point.as_dict() for point in points])
    return {}


class _Loaded:
    """The images and the model of a run, loaded when they are first asked for."""

    def __init__(self, run: Run):
        self.run = run

    @cached_property
    def images(self) -> ImageSet:
        return load_images(self.run.recipe.data)

    @cached_property
    def model(self) -> Autoencoder:
        return self.run.load_model()


def perform_run(job: Job, recipe: Recipe, tell) -> dict:
    """Bring the run of ``job`` to where the study can read it, doing what is not done yet; return its name."""
    run = equal_run(recipe, job.backend, job.runs) or train(recipe, runs=job.runs, reporter=EpochProgress(tell))
    loaded = _Loaded(run)
    if not run.scores():
        score_run(run, loaded.images, loaded.model)
    sigmas = missing_sigmas(run, job)
    if sigmas:
        evaluation = evaluate(
            run,
            images=loaded.images,
            model=loaded.model,
            splits=[job.split],
            sigmas=sigmas,
            seed=job.noise_seed,
        )
        evaluation.save_image_scores(run.folder)
    if job.rate and not rate_path(run, job.split).is_file():
        _measure_rate(run, loaded, job.split)
    return {"run": run.name}


def _measure_rate(run: Run, loaded: _Loaded, split: str) -> None:
    from kerasae.codec import Codec, freeze_run
    from kerasae.rate_distortion.compare import ModelContender, compare

    freeze_run(run, images=loaded.images, model=loaded.model)
    codec = Codec.load(run)
    model = ModelContender(run.name, codec, list(reversed(range(len(codec.frozen.levels)))))
    indexes = split_indices(loaded.images, run.recipe.data)[split]
    names = [loaded.images.names[index] for index in indexes]
    points = compare([model], list(loaded.images.images[indexes]), names=names).points
    write_json(rate_path(run, split), [point.as_dict() for point in points])


Tell = Callable[[int, int], None]


def perform(job: Job, tell: Tell | None = None) -> Outcome:
    """Do ``job`` in this process and return how it ended; ``tell(done, total)`` counts epochs.

    A fault of any kind becomes a failed outcome: one run must not take a study with it. The backend is chosen here, so
    this process must not have loaded Keras with another one.
    """
    began = time.perf_counter()
    try:
        found = _perform(job, tell or (lambda done, total: None))
    except KerasaeError as error:
        return Outcome("failed", str(error), round(time.perf_counter() - began, 2))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"{type(error).__name__}: {first} ({Path(where.filename).name}, line {where.lineno})"
        return Outcome("failed", message, round(time.perf_counter() - began, 2))
    return Outcome("finished", "", round(time.perf_counter() - began, 2), found)


def _perform(job: Job, tell: Tell) -> dict:
    from kerasae.runtime import choose_backend

    os.environ["KERAS_BACKEND"] = job.backend
    choose_backend()
    import keras

    from kerasae.recipes import recipe_from

    recipe = recipe_from(job.recipe, name=job.name, origin=job.name)
    if job.kind == "timing":
        return time_recipe(recipe)
    if job.kind == "do nothing":
        return score_nothing(job, recipe)
    if job.kind == "codecs":
        return measure_codecs(job, recipe)

    try:
        return perform_run(job, recipe, tell)
    finally:
        # A worker does many runs: the graph of one is nothing to the next.
        keras.utils.clear_session()
