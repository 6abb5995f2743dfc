"""Several runs side by side."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kerasae.errors import RunError
from kerasae.evaluation.statistics import bootstrap_interval
from kerasae.records import ComparedScore, Difference, ImageScores, RunComparison, Score
from kerasae.training import Run


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


# What the first run's score may be decoded from, the nearest first: an autoencoder's latents stand beside either of a
# variational model's.
_COUNTERPARTS = {"latents": ("latents", "mean"), "mean": ("mean", "latents"), "sample": ("sample", "latents")}


def compare_runs(runs: Sequence[Run]) -> RunComparison:
    """Return how ``runs`` differ in recipe and, from the first, in scores.

    Where two were scored on the same images the differences are paired, image by image, with a bootstrap interval.
    Raises ``RunError`` for fewer than two runs, one named twice, or one without scores.
    """
    _refuse(runs)
    first, *others = runs
    reference = {(score.split, score.sigma, score.decoded_from): score for score in first.scores()}
    rows = [_alone(score) for score in reference.values()]
    strangers: dict[str, list[str]] = {}
    for run in others:
        same_images = run.record.data_fingerprint == first.record.data_fingerprint
        for score in run.scores():
            keys = [
                (score.split, score.sigma, way) for way in _COUNTERPARTS.get(score.decoded_from, (score.decoded_from,))
            ]
            other = next((reference[key] for key in keys if key in reference), None)
            pair = [_images_of(run, score), _images_of(first, other)] if other and same_images else [None, None]
            row = _compared(score, other, *pair) if other else _alone(score)
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
                f"{run.name} has no scores (it is {run.status} after epoch {run.record.epochs_done}); "
                f"finish it with: kerasae train --resume {run.folder}"
            )


def _alone(score: Score) -> ComparedScore:
    return ComparedScore(score, metrics=dict.fromkeys(score.metrics))


def _images_of(run: Run, score: Score) -> ImageScores | None:
    found = run.image_scores(split=score.split, sigma=score.sigma)
    return next((one for one in found if one.decoded_from == score.decoded_from), None)


def _compared(score: Score, other: Score, mine: ImageScores | None, theirs: ImageScores | None) -> ComparedScore:
    shared = [name for name in score.metrics if name in other.metrics]
    if mine is None or theirs is None or set(mine.names) != set(theirs.names):
        plain = {name: Difference(score.metrics[name].mean - other.metrics[name].mean) for name in shared}
        return ComparedScore(score, other.decoded_from, None, plain)
    index_of = {name: index for index, name in enumerate(theirs.names)}
    order = np.array([index_of[name] for name in mine.names])
    paired = {name: _paired(mine.metrics[name] - theirs.metrics[name][order]) for name in shared}
    return ComparedScore(score, other.decoded_from, len(order), paired)


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
