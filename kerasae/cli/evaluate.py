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
