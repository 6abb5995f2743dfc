"""The command line: ``app`` is the command, the other modules hold what it does.

Here: options that several share, and what the shell completes of runs, studies and recipes. That looks at names alone,
since it runs at every press of the tab key.
"""

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

import typer


def _folders(context: typer.Context, file: str) -> list[str]:
    """Return the folders of runs that hold ``file``, the latest first, as ``--runs`` or the environment has them."""
    root = Path(context.params.get("runs") or os.environ.get("KERASAE_RUNS") or "runs").expanduser()
    try:
        found = [path for path in root.iterdir() if (path / file).is_file()]
        return [path.name for path in sorted(found, key=lambda path: -path.stat().st_mtime)]
    except OSError:
        return []


def run_names(context: typer.Context) -> list[str]:
    """Return what names a run."""
    return ["latest", *_folders(context, "run.json")]


def study_folders(context: typer.Context) -> list[str]:
    """Return what names a study that was run."""
    return _folders(context, "study.json")


def recipe_names(context: typer.Context) -> list[str]:
    """Return what names a recipe: those that are shipped, and the TOML files where the shell stands."""
    return _recipes("")


def study_names(context: typer.Context) -> list[str]:
    """Return what names the recipe of a study."""
    return _recipes("studies")


def _recipes(folder: str) -> list[str]:
    from kerasae.files import shipped_folder

    shipped = sorted(path.stem for path in (shipped_folder("recipes") / folder).glob("*.toml"))
    return [*shipped, *sorted(path.name for path in Path().glob("*.toml"))]


def completing(*sources: Callable[[typer.Context], Iterable[str]]) -> Callable[[typer.Context, str], list[str]]:
    """Return what typer asks for completions: those of ``sources`` that begin as the word does."""

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        return [name for source in sources for name in source(ctx) if name.startswith(incomplete)]

    return complete


def run_option(flag: str, help: str):
    """Return the option ``flag`` that names a run."""
    return typer.Option(flag, help=help, metavar="RUN", autocompletion=completing(run_names))


Run = Annotated[
    str, typer.Argument(help="A run: its folder, its name, or latest.", autocompletion=completing(run_names))
]
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


def example(command: str) -> str:
    """Return what stands at the end of a command's help."""
    return f"Example: kerasae {command}"
