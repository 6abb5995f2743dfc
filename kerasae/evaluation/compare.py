"""Several runs side by side."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.errors import RunError
from kerasae.evaluation.statistics import bootstrap_interval
from kerasae.records import ComparedScore, Difference, ImageScores, RunComparison, Score
from kerasae.training import Run

_IMAGE_METRICS = ("mse", "psnr", "ssim")


def image_metrics(path: Path) -> dict[tuple[str, float, str], ImageScores]:
    """Return the scores of each image by (split, sigma, decoded_from); empty where there is no such file.

    Raises ``RunError`` where the file is not one that an evaluation wrote.
    """
    if not path.is_file():
        return {}
    rows: dict[tuple[str, float, str], list[tuple]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = (row["split"], float(row["sigma"]), row["decoded_from"])
                rows.setdefault(key, []).append((row["file"], *(float(row[metric]) for metric in _IMAGE_METRICS)))
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"{path} is not what an evaluation writes ({error!r}); train the run again with --force"
        ) from None
    return {key: _scores(key, found) for key, found in rows.items()}


def _scores(key: tuple[str, float, str], rows: list[tuple]) -> ImageScores:
    names, *columns = zip(*rows, strict=True)
    return ImageScores(*key, names, *(np.array(column) for column in columns))


def what_differs(runs: Sequence[Run]) -> dict[str, tuple[Any, ...]]:
    """Return ``section.key`` → a value per run, of recipes and then of records (``run.backend``, versions and so on).

    Keys in which all agree are left out; a run without the key has None.
    """
    plain = [_flat(run.recipe.as_dict()) | _of_record(run) for run in runs]
    keys = dict.fromkeys(key for one in plain for key in one)
    # Kinds of model have keys of their own: those of a section stay together.
    sections = list(dict.fromkeys(key.split(".")[0] for key in keys))
    keys = sorted(keys, key=lambda key: sections.index(key.split(".")[0]))
    found = {key: tuple(one.get(key) for one in plain) for key in keys}
    return {key: values for key, values in found.items() if any(value != values[0] for value in values)}


def _flat(recipe: dict[str, Any]) -> dict[str, Any]:
    # The name of a recipe stands in that of its run.
    sections = {section: values for section, values in recipe.items() if section != "name"}
    return {f"{section}.{key}": value for section, values in sections.items() for key, value in values.items()}


def _of_record(run: Run) -> dict[str, Any]:
    record = run.record
    told = {"backend": record.backend, "device": record.device, "parameters": record.parameters}
    told |= {"epochs done": record.epochs_done, "images": record.data_fingerprint}
    # The backend's own version differs as the backend does.
    told |= {name: record.versions[name] for name in ("kerasae", "keras") if name in record.versions}
    return {f"run.{key}": value for key, value in told.items()}


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
