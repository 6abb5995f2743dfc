"""A short timing: how long a run would take, from a moment of it."""

import time

import numpy as np

from kerasae.data import load_images, split_indices
from kerasae.data.feed import TrainingFeed
from kerasae.evaluation.measure import measure
from kerasae.evaluation.scorer import Scorer
from kerasae.recipe import Recipe
from kerasae.training.prepare import build_trainer

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
    scorer = Scorer(trainer.compressor)
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
