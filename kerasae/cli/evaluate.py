"""``kerasae evaluate``."""

import json as json_module
from typing import Annotated

import typer

from kerasae.cli import options


def evaluate(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or latest.")],
    data: options.Data = None,
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
    seed: Annotated[int, typer.Option("--seed", help="Seed of the noise and of the sample.")] = 0,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Score a run on its own images or on others, clean or noisy."""
    from kerasae.errors import RecipeError
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    for value in sigma or []:
        if not 0 <= value <= 1:
            raise RecipeError(f"--sigma {value:g} is out of range; it is a standard deviation in [0, 1] intensity")
    section = _data_section(found, data, set or [])
    splits = [part.strip() for part in (split or ("all" if data else "validation,test")).split(",")]
    choose_backend()

    from kerasae.cli.console import out
    from kerasae.data import load_images
    from kerasae.evaluation import evaluate as score
    from kerasae.reports import score_table

    images = load_images(section)
    scores = score(found, images=images, splits=splits, sigmas=sigma or None, seed=seed).scores
    if json:
        print(json_module.dumps([row.as_dict() for row in scores], indent=1))
    else:
        out.print(score_table(scores, title=f"{found.record.recipe_name} on {images.label}"))


def _data_section(run, data: str | None, assignments: list[str]):
    """Return the run's ``[data]`` with the changes of the command line."""
    from kerasae.errors import RecipeError
    from kerasae.recipes import recipe_from, replace_data
    from kerasae.recipes.load import set_key

    plain = run.recipe.as_dict()
    if data:
        plain = replace_data(plain, data)
    for assignment in assignments:
        if not assignment.startswith("data."):
            raise RecipeError(
                f"--set {assignment!r}: a trained run keeps its recipe; only keys of [data] can change here"
            )
        plain = set_key(plain, assignment)
    return recipe_from(plain, name=run.recipe.name, origin=f"{run.name} with --data").data
