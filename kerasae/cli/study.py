"""``kerasae study`` and ``kerasae noise-sweep``."""

import hashlib
import json as json_module
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import Data, Epochs, Json, Runs, Seed, Set, completing, recipe_names, run_names, study_names
from kerasae.console import StudyProgress, err, out, waiting


def study(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A study: a TOML file or the name of a shipped one, such as quick.",
            autocompletion=completing(study_names),
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs, what is done already, and about how long the rest takes.")
    ] = False,
    data: Data = None,
    epochs: Epochs = None,
    seeds: Annotated[str, typer.Option(help="Training seeds, with commas, instead of the study's.")] = "",
    set: Set = None,
    engine: Annotated[str, typer.Option(help="process (on this machine) or ray (a cluster).")] = "process",
    workers: Annotated[
        int | None,
        typer.Option(help="Processes at a time; default one per GPU, or else one per core.", min=1, max=1024),
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray: the cluster's HOST:PORT, or auto.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Ray: where results go, a path or URL all nodes reach; default: to this machine.")
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Train a grid of recipes over several seeds, score every run on the same images, and compare.

    Finished runs are reused, stopped ones go on; a run that fails is named at the end. The answer, the table and the
    comparisons are written into the study's folder; see them as a page with kerasae report.
    """
    from kerasae.recipes import load_study
    from kerasae.runtime import wanted_backend
    from kerasae.studies.engines import make_engine
    from kerasae.studies.plan import pending_jobs, plan_study
    from kerasae.studies.run import run_study

    chosen = make_engine(engine, workers=workers, address=address, storage=storage)
    plan = plan_study(
        load_study(recipe),
        backend=wanted_backend(),
        data=data,
        epochs=epochs,
        seeds=_seeds(seeds),
        set=set or (),
        runs=runs,
    )
    if dry_run:
        _show_forecast(plan, chosen, as_json=json)
        return
    pending = pending_jobs(plan)
    jobs = [*pending.runs, *pending.baselines]
    with StudyProgress(err, plan.study.name, jobs=len(jobs), done=len(pending.done)) as progress:
        try:
            record = run_study(plan, chosen, command=shlex.join(["kerasae", *sys.argv[1:]]), on_event=progress.show)
        except (KeyboardInterrupt, SystemExit):
            err.print("stopped, and its workers too; the same command goes on, and reuses what is finished")
            raise
    if json:
        print(json_module.dumps(record.as_dict(), indent=1))
    else:
        _show(record)
        out.print(f"study: {plan.folder}", highlight=False, soft_wrap=True, markup=False)
        out.print(f"as a page: kerasae report {plan.folder}", highlight=False, soft_wrap=True, markup=False)
    if record.failed:
        raise typer.Exit(1)


def _show(record) -> None:
    """Print the answer of a study, its table, its comparisons and the runs that failed."""
    from rich.text import Text

    from kerasae.reports import comparison_table, study_table

    for sentence in record.answer:
        out.print(Text(sentence))
    out.print(study_table(record))
    if record.comparisons:
        out.print(comparison_table(record))
    for name, message in record.failed.items():
        out.print(Text.assemble(("failed: ", "bold red"), f"{name}: {message}"), soft_wrap=True)


def _seeds(text: str) -> list[int] | None:
    from kerasae.errors import StudyError

    try:
        seeds = [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise StudyError(f"--seeds {text!r} is not a list of whole numbers; write it as 0,1,2") from None
    if seeds and (min(seeds) < 0 or len({*seeds}) < len(seeds)):
        raise StudyError(f"--seeds {text!r}: seeds are 0 or more, each named once")
    return seeds


def _show_forecast(plan, engine, *, as_json: bool) -> None:
    from kerasae.reports import plan_table
    from kerasae.studies.run import forecast

    with waiting("timing each kind of model for a moment"):
        found = forecast(plan, engine)
    if as_json:
        print(json_module.dumps({"runs": found.rows, "workers": found.workers, "seconds": found.seconds}, indent=1))
        return
    out.print(plan_table(found.rows, title=f"{plan.study.name}: {len(found.rows)} runs, {found.pending} to do"))
    if found.pending:
        time = f"{found.seconds / 60:.0f} min" if found.seconds >= 90 else f"{found.seconds:.0f} s"
        out.print(f"about {time} with {found.workers} at a time", highlight=False)
    err.print(f"study folder: {plan.folder}", highlight=False, soft_wrap=True, markup=False)


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
