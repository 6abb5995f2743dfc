"""``kerasae noise-sweep``."""

import hashlib
import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import Data, Epochs, Json, Runs, Seed, Set, completing, recipe_names, run_names


def noise_sweep(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs, recipes or a sweep's TOML file; without any, the shipped study.",
            metavar="[RUN|RECIPE]...",
            autocompletion=completing(run_names, recipe_names),
        ),
    ] = None,
    sigmas: Annotated[str, typer.Option(help="Noise levels in [0, 1], with commas.")] = "",
    split: Annotated[str, typer.Option(help="train, validation or test.")] = "",
    data: Data = None,
    epochs: Epochs = None,
    seed: Seed = None,
    set: Set = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Score models over a range of noise, beside the noisy input itself.

    Recipes that are not trained yet are trained first. --data, --epochs, --seed and --set change the recipes, not runs.
    """
    from kerasae.console import err, out
    from kerasae.files import write_json
    from kerasae.recipes import load_recipe
    from kerasae.runtime import choose_backend
    from kerasae.training import Run, runs_folder
    from kerasae.training.devices import refuse_several_processes

    refuse_several_processes("noise-sweep")
    sweep, named = _plan(targets or ["noise_sweep"], sigmas, split, runs)
    overrides = {"data": data, "epochs": epochs, "seed": seed, "set": set or ()}
    # Every recipe is read before the first is trained: a fault in the last should not cost an hour.
    planned = [one if isinstance(one, Run) else load_recipe(one, **overrides) for one in named]
    choose_backend()

    from kerasae.api import fitted, score
    from kerasae.evaluation import noise_sweep as measure_sweep
    from kerasae.reports import noise_sweep as draw
    from kerasae.reports import sweep_table

    found = []
    for one in planned:
        run = one if isinstance(one, Run) else fitted(one, runs=runs)
        if not run.scores():
            score(run)
        found.append(run)
    scores = measure_sweep(
        found,
        sigmas=sweep.sigmas,
        split=sweep.split,
        seed=sweep.seed,
        progress=lambda name: err.print(f"sweeping {name}", highlight=False),
    )
    about = json_module.dumps([[run.name for run in found], sweep.sigmas, sweep.split, sweep.seed])
    folder = runs_folder(runs) / f"noise_sweep-{hashlib.sha256(about.encode()).hexdigest()[:8]}"
    write_json(folder / "scores.json", [score.as_dict() for score in scores])
    shown = _with_short_names(scores, found)
    draw(folder / "noise_sweep.png", shown, f"Noise on the input, {sweep.split} images")
    if json:
        print(json_module.dumps([row.as_dict() for row in scores], indent=1))
        return
    out.print(sweep_table(shown))
    out.print(f"figure and scores: {folder}", highlight=False, soft_wrap=True)


def _with_short_names(scores, runs):
    """Return the scores under the names of the recipes, where no two runs share one."""
    from dataclasses import replace

    recipes = {run.name: run.record.recipe_name for run in runs}
    if len(set(recipes.values())) < len(recipes):
        return scores
    return [replace(score, run=recipes.get(score.run, score.run)) for score in scores]


def _plan(targets: list[str], sigmas: str, split: str, runs: str | None):
    """Return the sweep (sigmas, split, seed) and what to sweep: ``Run`` objects and names of recipes."""
    from kerasae.recipes import NoiseSweep, is_noise_sweep, load_noise_sweep

    changes = ({"sigmas": _numbers(sigmas)} if sigmas else {}) | ({"split": split} if split else {})
    found, base = [], {}
    for target in targets:
        run = _run_or_none(target, runs)
        if run is not None:
            found.append(run)
        elif is_noise_sweep(target):
            sweep = load_noise_sweep(target)
            base = sweep.model_dump(exclude={"recipes"})
            folder = Path(target).parent
            found += [str(folder / name) if (folder / name).is_file() else name for name in sweep.recipes]
        else:
            found.append(target)
    return _checked(NoiseSweep, {"recipes": ("as given",)} | base | changes), found


def _checked(schema, plain: dict):
    from pydantic import ValidationError

    from kerasae.errors import RecipeError
    from kerasae.recipes.section import explain

    try:
        return schema.model_validate(plain)
    except ValidationError as error:
        raise RecipeError(f"noise-sweep: {explain(error, schema)}") from None


def _numbers(text: str) -> list[float]:
    from kerasae.errors import RecipeError

    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise RecipeError(f"--sigmas {text!r} is not a list of numbers; write it as 0,0.1,0.2") from None


def _run_or_none(target: str, runs: str | None):
    from kerasae.errors import RecipeError, RunError
    from kerasae.recipes import find_recipe
    from kerasae.training import load_run
    from kerasae.training.run import goes_by

    found, no_run, no_recipe = None, None, None
    try:
        found = load_run(target, runs)
    except RunError as error:
        no_run = error
    try:
        find_recipe(target)
    except RecipeError as error:
        no_recipe = error
    if no_run and no_recipe:
        raise RunError(f"{target!r} is neither a run nor a recipe: {no_run}; {no_recipe}")
    # A recipe that is spelled out wins over a run that is only begun.
    return found if found and (no_recipe or goes_by(found, target)) else None
