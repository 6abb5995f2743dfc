"""What a run is called."""

from pathlib import Path

from kerasae.recipe import Recipe, fingerprint
from kerasae.training.find import runs_folder
from kerasae.training.run import Run


def run_name(recipe: Recipe, backend: str) -> str:
    """Return the folder name of the recipe's run on ``backend``: name, fingerprint, backend, seed."""
    return f"{recipe.name}-{_without_name(recipe, backend)}"


def equal_run(recipe: Recipe, backend: str, runs: str | Path | None = None) -> Run | None:
    """Return a finished run that trained what ``recipe`` trains on ``backend``, under whatever name; None if none is.

    The run of the recipe's own name comes first.
    """
    folder = runs_folder(runs)
    candidates = [folder / run_name(recipe, backend), *sorted(folder.glob(f"*-{_without_name(recipe, backend)}"))]
    found = (Run(path) for path in candidates if (path / "run.json").is_file())
    return next((run for run in found if run.is_finished), None)


def _without_name(recipe: Recipe, backend: str) -> str:
    return f"{fingerprint(recipe)}-{backend}-{recipe.training.seed}"
