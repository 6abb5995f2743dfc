"""The command line: ``app`` is the command, the other modules hold what it does. Here: options that several share."""

from typing import Annotated

import typer

Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Images: photos, folder:PATH, ffhq:PATH or tfds:NAME. Those of another size than the recipe's image_size "
        "are cut to a square and resized; with data.fit = patches, squares are cut out of them as they are.",
        metavar="SPEC",
    ),
]
Epochs = Annotated[int | None, typer.Option("--epochs", help="Epochs, instead of the recipe's.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Training seed, instead of the recipe's.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change any key of the recipe; may be given again.", metavar="SECTION.KEY=VALUE"),
]
Runs = Annotated[
    str | None, typer.Option("--runs", help="Folder of runs; default KERASAE_RUNS, or ./runs.", metavar="DIR")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for scripts instead of tables.")]
