"""``kerasae train``."""

import json as json_module
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
    from kerasae.api import resumed, train_run

    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give a recipe, or --resume RUN, and not both")
    if resume is not None:
        if data or epochs or seed is not None or set or force:
            raise typer.BadParameter("--resume goes on with the run's own recipe; leave the other options out")
        resolved, runs = resumed(resume, runs)
    else:
        from kerasae.recipes import load_recipe

        resolved = load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=set or ())
    run = train_run(resolved, runs=runs, force=force, tensorboard=tensorboard, table=not json)
    if json and run.scores():
        print(json_module.dumps([score.as_dict() for score in run.scores()], indent=1))
