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

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("recipe", style="bold", no_wrap=True)
    table.add_column("what it trains, and what to expect")
    for path in shipped_recipes():
        table.add_row(path.stem, " ".join(line for line in header(path).splitlines() if "kerasae " not in line))
    out.print(table)
    out.print("\ntrain one: kerasae train NAME    look inside: kerasae recipes show NAME", highlight=False)


@app.command("show")
def show(recipe: Annotated[str, typer.Argument(help="A recipe's name or file.")]) -> None:
    """Print a recipe as it is written."""
    from rich.syntax import Syntax

    from kerasae.cli.console import out
    from kerasae.recipe import find_recipe

    text = find_recipe(recipe).read_text(encoding="utf-8")
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
    """Check a recipe and print it with every default spelled out."""
    from kerasae.recipe import is_noise_sweep, load_noise_sweep, load_recipe, to_toml

    if is_noise_sweep(recipe):
        print(load_noise_sweep(recipe).model_dump_json(indent=1))
    else:
        print(to_toml(load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=set or ())), end="")
