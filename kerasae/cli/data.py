"""``kerasae data``."""

from typing import Annotated

import typer

app = typer.Typer(
    help="List sources of images and show their data cards.", invoke_without_command=True, no_args_is_help=False
)

_SOURCES = (
    ("photos", "--data photos", "crops of the photographs that ship with scikit-image; the default"),
    ("folder", "--data folder:PATH", "any folder tree of PNG, JPEG or WebP, split by group where a CSV names one"),
    ("ffhq", "--data ffhq:PATH", "the 70,000 FFHQ thumbnails as published"),
    ("tfds", "--data tfds:NAME", "any image data set of TensorFlow Datasets"),
)


@app.callback()
def data(context: typer.Context) -> None:
    """List the sources of images."""
    if context.invoked_subcommand:
        return
    from rich.table import Table

    from kerasae.cli.console import out

    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("source", style="bold", no_wrap=True)
    table.add_column("how to ask for it", no_wrap=True)
    table.add_column("what it is")
    for row in _SOURCES:
        table.add_row(*row)
    out.print(table)
    out.print(
        "\nread before you rely on one: kerasae data show NAME; for faces also: kerasae data show ethics",
        highlight=False,
    )


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="A source's name, or ethics.")]) -> None:
    """Print a data card: origin, licence, size, split, faults, who is in it and who is not."""
    from kerasae.data.cards import data_card

    text = data_card(name)
    from kerasae.cli.console import out

    if out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(text))
    else:
        print(text, end="")
