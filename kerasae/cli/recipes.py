"""``kerasae recipes``."""

from typing import Annotated

import typer

from kerasae.cli import options

app = typer.Typer(help="List, show and check recipes.", invoke_without_command=True, no_args_is_help=False)


@app.callback()
def recipes(context: typer.Context) -> None:
    """List the recipes that ship with kerasae."""
    if context.invoked_subcommand:
        return
    from rich.table import Table

    from kerasae.cli.console import out
    from kerasae.recipe.catalogue import header, shipped_recipes

    for folder, head, about in (
        ("", "recipe", "what it trains, and what to expect"),
        ("studies", "study", "what it asks, and what was found"),
    ):
        table = Table(box=None, padding=(0, 2, 0, 0))
        table.add_column(head, style="bold", no_wrap=True)
        table.add_column(about)
        for path in shipped_recipes(folder):
            table.add_row(path.stem, " ".join(line for line in header(path).splitlines() if "kerasae " not in line))
        out.print(table)
        out.print()
    out.print(
        "train one: kerasae train NAME    run a study: kerasae study NAME    look inside: kerasae recipes show NAME",
        highlight=False,
        soft_wrap=True,
    )


@app.command("show")
def show(recipe: Annotated[str, typer.Argument(help="A recipe's name or file.")]) -> None:
    """Print a recipe as it is written."""
    from rich.syntax import Syntax

    from kerasae.cli.console import out

    text = _found(recipe).read_text(encoding="utf-8")
    if out.is_terminal:
        out.print(Syntax(text, "toml", background_color="default", word_wrap=True))
    else:
        print(text, end="")


@app.command("check")
def check(
    recipe: Annotated[str, typer.Argument(help="A recipe's name or file.")],
    data: options.Data = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    set: options.Set = None,
) -> None:
    """Check a recipe and print it with every default spelled out; of a study, the runs it would train."""
    from kerasae.recipe import is_noise_sweep, is_study, load_noise_sweep, load_recipe, load_study, to_toml

    recipe = str(_found(recipe))
    if is_study(recipe):
        from kerasae.runtime import wanted_backend
        from kerasae.studies.plan import plan_study

        plan = plan_study(load_study(recipe), backend=wanted_backend(), data=data, epochs=epochs, set=set or ())
        print(*plan.run_jobs(), sep="\n")
    elif is_noise_sweep(recipe):
        print(load_noise_sweep(recipe).model_dump_json(indent=1))
    else:
        print(to_toml(load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=set or ())), end="")


def _found(recipe: str):
    """Return the file of a recipe or, where there is no such recipe, of a study."""
    from kerasae.errors import RecipeError
    from kerasae.recipe import find_recipe

    try:
        return find_recipe(recipe)
    except RecipeError:
        try:
            return find_recipe(recipe, folder="studies")
        except RecipeError:
            pass
        raise
