"""``kerasae train``."""

from typing import Annotated

import typer

from kerasae.cli import options


def train(
    recipe: Annotated[str | None, typer.Argument(help="A recipe: a TOML file or the name of a shipped one.")] = None,
    data: options.Data = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    set: options.Set = None,
    runs: options.Runs = None,
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with a stopped run, to the same bits.", metavar="RUN")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again even if the run is there.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log every epoch for TensorBoard, to the run's folder tensorboard.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Train a recipe, evaluate it and print the table.

    The run folder holds the model, the history, the scores of every image and the figures. Training the same recipe
    again goes on where it was stopped, or shows the scores it has.
    """
    from kerasae.cli.finish import train_and_score

    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give a recipe, or --resume RUN, and not both")
    if resume is not None:
        if data or epochs or seed is not None or set or force:
            raise typer.BadParameter("--resume goes on with the run's own recipe; leave the other options out")
        resolved, runs = _resumed(resume, runs)
    else:
        from kerasae.recipe import load_recipe

        resolved = load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=set or ())
    train_and_score(resolved, runs=runs, force=force, as_json=json, tensorboard=tensorboard)


def _resumed(name: str, runs: str | None):
    """Return the recipe of a run and the folder of runs it lies in."""
    from kerasae.errors import RunError
    from kerasae.runtime import wanted_backend
    from kerasae.training import load_run

    run = load_run(name, runs)
    if run.record.backend != wanted_backend():
        raise RunError(
            f"{run.name} was begun on {run.record.backend} and resumes exactly only there; "
            f"set KERAS_BACKEND={run.record.backend}"
        )
    return run.recipe, str(run.folder.resolve().parent)
