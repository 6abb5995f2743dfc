"""Runs → a comparison with the first of them."""

from collections.abc import Sequence

import numpy as np

from kerasae.comparison.image_metrics import image_metrics
from kerasae.comparison.what_differs import what_differs
from kerasae.errors import RunError
from kerasae.records import ComparedScore, Difference, ImageScores, RunComparison, Score
from kerasae.statistics import bootstrap_interval
from kerasae.training import Run

_METRICS = ("mse", "psnr", "ssim")
# What the first run's score may be decoded from, the nearest first: an autoencoder's latents stand beside either of a
# variational model's.
_COUNTERPARTS = {"latents": ("latents", "mean"), "mean": ("mean", "latents"), "sample": ("sample", "latents")}

_Key = tuple[str, float, str]


def compare_runs(runs: Sequence[Run]) -> RunComparison:
    """Return how ``runs`` differ in recipe and, from the first, in scores.

    Where two were scored on the same images the differences are paired, image by image, with a bootstrap interval.
    Raises ``RunError`` for fewer than two runs, one named twice, or one without scores.
    """
    _refuse(runs)
    first, *others = runs
    reference = {(score.split, score.sigma, score.decoded_from): score for score in first.scores()}
    reference_images = image_metrics(first.folder / "scores.csv")
    rows = [ComparedScore(score) for score in reference.values()]
    strangers: dict[str, list[str]] = {}
    for run in others:
        same_images = run.record.data_fingerprint == first.record.data_fingerprint
        own_images = image_metrics(run.folder / "scores.csv") if same_images else {}
        for score in run.scores():
            row = _compared(score, own_images, reference, reference_images)
            rows.append(row)
            if row.against and row.paired_images is None and score.split not in strangers.setdefault(run.name, []):
                strangers[run.name].append(score.split)
    return RunComparison(
        tuple(run.name for run in runs), what_differs(runs), _by_condition(rows), _sentences(runs, rows, strangers)
    )


def _refuse(runs: Sequence[Run]) -> None:
    if len(runs) < 2:
        raise RunError(f"a comparison takes two runs or more; got {len(runs)}; see: kerasae runs")
    folders = [run.folder.resolve() for run in runs]
    for run, folder in zip(runs, folders, strict=True):
        if folders.count(folder) > 1:
            raise RunError(f"{run.name} is named twice; a run does not differ from itself")
        if not run.scores():
            raise RunError(
                f"{run.name} has no scores (it is {run.record.status} after epoch {run.record.epochs_done}); "
                f"finish it with: kerasae train --resume {run.folder}"
            )


def _compared(
    score: Score, own: dict[_Key, ImageScores], reference: dict[_Key, Score], images: dict[_Key, ImageScores]
) -> ComparedScore:
    keys = [(score.split, score.sigma, way) for way in _COUNTERPARTS.get(score.decoded_from, (score.decoded_from,))]
    key = next((key for key in keys if key in reference), None)
    if key is None:
        return ComparedScore(score)
    mine, theirs = own.get((score.split, score.sigma, score.decoded_from)), images.get(key)
    if mine is None or theirs is None or set(mine.names) != set(theirs.names):
        plain = {name: Difference(getattr(score, name).mean - getattr(reference[key], name).mean) for name in _METRICS}
        return ComparedScore(score, key[2], None, **plain)
    place = {name: index for index, name in enumerate(theirs.names)}
    order = np.array([place[name] for name in mine.names])
    paired = {name: _paired(getattr(mine, name) - getattr(theirs, name)[order]) for name in _METRICS}
    return ComparedScore(score, key[2], len(order), **paired)


def _paired(differences: np.ndarray) -> Difference:
    return Difference(float(differences.mean()), *bootstrap_interval(differences))


def _by_condition(rows: list[ComparedScore]) -> tuple[ComparedScore, ...]:
    """Return the rows with those of one split and noise together, in the order in which these first appear."""
    conditions = list(dict.fromkeys((row.score.split, row.score.sigma) for row in rows))
    return tuple(row for one in conditions for row in rows if (row.score.split, row.score.sigma) == one)


def _sentences(runs: Sequence[Run], rows: list[ComparedScore], strangers: dict[str, list[str]]) -> tuple[str, ...]:
    said = [
        f"{name} and {runs[0].name} were not scored on the same images ({', '.join(splits)}): their differences are of "
        "means over different images, without an interval."
        for name, splits in strangers.items()
        if splits
    ]
    if any(row.paired_images for row in rows):
        said.append("Differences are paired image by image; [95 % bootstrap interval over images].")
    said.append(
        "Each run is one training: nothing here says how far another seed would have come out, so a difference is one "
        "between these trained models, not between their recipes."
    )
    return tuple(said)
