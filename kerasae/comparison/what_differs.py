"""Runs → the keys in which they differ."""

from collections.abc import Sequence
from typing import Any

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
