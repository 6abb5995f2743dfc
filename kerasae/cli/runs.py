"""``kerasae train``, ``evaluate``, ``generate`` and ``report``: what is done with one run."""

import json as json_module
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import (
    Data,
    Epochs,
    Json,
    Run,
    Runs,
    Seed,
    Set,
    completing,
    recipe_names,
    run_names,
    run_option,
    study_folders,
)


def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe: a TOML file or the name of a shipped one.", autocompletion=completing(recipe_names)
        ),
    ] = None,
    data: Data = None,
    epochs: Epochs = None,
    seed: Seed = None,
    set: Set = None,
    runs: Runs = None,
    resume: Annotated[
        str | None,
        run_option("--resume", "Go on with a stopped run, to the same bits."),
    ] = None,
    start_from: Annotated[
        str | None,
        run_option("--start-from", "Begin with the weights of another run, to go on with them on other images."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again even if the run is there.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log every epoch for TensorBoard, to the run's folder tensorboard.")
    ] = False,
    json: Json = False,
) -> None:
    """Train a recipe, evaluate it and print the table.

    The run folder holds the model, the history, the scores of every image and the figures. Training the same recipe
    again goes on where it was stopped, or shows the scores it has.
    """
    from kerasae.api import name_of_start, resumed, train_run

    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give a recipe, or --resume RUN, and not both")
    if resume is not None:
        if data or epochs or seed is not None or set or start_from or force:
            raise typer.BadParameter("--resume goes on with the run's own recipe; leave the other options out")
        resolved, folder = resumed(resume, runs)
    else:
        from kerasae.recipes import load_recipe

        folder = None
        changes = list(set or ())
        if start_from is not None:
            changes.append(f"training.start_from={json_module.dumps(name_of_start(start_from, runs))}")
        resolved = load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=changes)
    run = train_run(resolved, runs=runs, folder=folder, force=force, tensorboard=tensorboard, table=not json)
    if json and run.scores():
        print(json_module.dumps([score.as_dict() for score in run.scores()], indent=1))


def evaluate(
    run: Run,
    data: Data = None,
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="Change a key of the recipe's data section; may be given again.", metavar="data.KEY=VALUE"
        ),
    ] = None,
    split: Annotated[
        str, typer.Option(help="train, validation, test or all; several with commas. With --data, default all.")
    ] = "",
    sigma: Annotated[
        list[float] | None, typer.Option("--sigma", help="Noise on the input, 0 to 1; may be given again.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the noise and of the sample.", min=0, max=2**32 - 1)] = 0,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Score a run on its own images or on others, clean or noisy."""
    from kerasae.api import changed_data
    from kerasae.errors import RecipeError
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    for value in sigma or []:
        if not 0 <= value <= 1:
            raise RecipeError(f"--sigma {value:g} is out of range; it is a standard deviation in [0, 1] intensity")
    # Before seconds go into loading a backend.
    changed_data(found, data, set or [])
    choose_backend()

    from kerasae.api import evaluate as score
    from kerasae.console import out
    from kerasae.reports import score_table

    splits = tuple(part.strip() for part in split.split(",")) if split else None
    evaluation = score(found, data=data, set=set or (), splits=splits, sigmas=sigma or None, seed=seed)
    scores = evaluation.scores
    if json:
        print(json_module.dumps([row.as_dict() for row in scores], indent=1))
    else:
        label = scores[0].data if scores else ""
        out.print(score_table(scores, title=f"{found.record.recipe_name} on {label}"))


_FILES = (".png", ".jpg", ".jpeg", ".webp", ".pdf", ".svg")


def generate(
    run: Annotated[
        str,
        typer.Argument(
            help="A run of a variational model: its folder, its name, or latest.", autocompletion=completing(run_names)
        ),
    ],
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", help="Folder for the figures; default the run's own.", metavar="DIR"),
    ] = None,
    count: Annotated[int, typer.Option("--count", help="Samples of the prior.", min=1, max=1024)] = 32,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of the samples and of the choice of images.", min=0, max=2**32 - 1)
    ] = 0,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option("--between", help="Two image files to interpolate between.", metavar="IMAGE IMAGE"),
    ] = None,
    dimensions: Annotated[int, typer.Option("--dimensions", help="Latents to traverse.", min=1, max=64)] = 8,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Draw what a variational run makes up: samples of the prior, interpolations, traversals.

    Three PNG files: decoded draws of N(0, 1); the straight line between the posterior means of two images, test images
    unless --between names others; and the latents with the largest KL divergence, each moved by itself.
    """
    from kerasae.console import out as console
    from kerasae.console import waiting
    from kerasae.errors import RunError
    from kerasae.generation import refuse_without_prior
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    if out is not None and (Path(out).suffix.lower() in _FILES or Path(out).is_file()):
        raise RunError(f"-o {out} names a file; three figures are written, so give a folder")
    refuse_without_prior(found)
    with waiting("loading the backend"):
        choose_backend()
        from kerasae.generation import generate as generated
    from kerasae.reports import labelled_grid

    folder = Path(out) if out is not None else found.folder / "figures"
    with waiting("generating"):
        grids = generated(found, count=count, seed=seed, between=between or (), dimensions=dimensions)
        for grid in grids:
            labelled_grid(
                folder / f"{grid.name}.png",
                grid.rows,
                title=grid.title,
                note=grid.note,
                row_labels=grid.row_labels,
                column_labels=grid.column_labels,
                apart=grid.apart,
            )
    if json:
        rows = [
            {"file": str(folder / f"{grid.name}.png"), "note": grid.note, "rows": grid.row_labels} for grid in grids
        ]
        print(json_module.dumps({"run": found.name, "seed": seed, "figures": rows}, indent=1))
        return
    for grid in grids:
        console.print(f"{folder / grid.name}.png", highlight=False, soft_wrap=True, markup=False)


def report(
    target: Annotated[
        str,
        typer.Argument(
            help="A run or a study: its folder, its name, or latest (run).",
            autocompletion=completing(study_folders, run_names),
        ),
    ] = "latest",
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="File to write, or - to print. Default: report.html in its folder."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="html, markdown, latex or csv; default by the output's ending, or else html.")
    ] = None,
    runs: Runs = None,
) -> None:
    """Write all there is to know of a run or a study as one page that needs no network.

    From records on disk alone: no Keras, no images, no accelerator. The other formats hold the table.
    """
    from kerasae.api import report as write_report
    from kerasae.api import report_format, report_text
    from kerasae.console import out

    chosen = report_format(format, output)
    command = shlex.join(["kerasae", *sys.argv[1:]])
    if output == "-" or (output is None and chosen != "html"):
        text = report_text(target, format=chosen, runs=runs, command=command)
        print(text, end="" if text.endswith("\n") else "\n")
        return
    path = write_report(target, output, format=chosen, runs=runs, command=command)
    out.print(f"report: {path}", highlight=False, soft_wrap=True, markup=False)
