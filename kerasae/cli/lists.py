"""``kerasae recipes``, ``runs``, ``data``."""

import hashlib
import json as json_module
import os
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from kerasae.cli import (
    Data,
    Epochs,
    Json,
    Run,
    Runs,
    Seed,
    Set,
    completing,
    example,
    recipe_names,
    run_names,
    study_names,
)
from kerasae.console import err, out, waiting
from kerasae.errors import ReportError

recipes_app = typer.Typer(help="List, show and check recipes.", invoke_without_command=True, no_args_is_help=False)


@recipes_app.callback()
def recipes(context: typer.Context) -> None:
    """List the recipes that ship with kerasae."""
    if context.invoked_subcommand:
        return
    from kerasae.recipes import header, shipped_recipes

    for folder, head, about in (
        ("", "recipe", "what it trains, and what to expect"),
        ("studies", "study", "what it asks, and what was found"),
    ):
        table = _plain_table(head, about)
        for path in shipped_recipes(folder):
            table.add_row(path.stem, " ".join(line for line in header(path).splitlines() if "kerasae " not in line))
        out.print(table)
        out.print()
    out.print(
        "train one: kerasae train NAME    run a study: kerasae study NAME    look inside: kerasae recipes show NAME",
        highlight=False,
        soft_wrap=True,
    )


@recipes_app.command("show", epilog=example("recipes show ae_l2"))
def show_recipe(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name or file.", autocompletion=completing(recipe_names, study_names))
    ],
) -> None:
    """Print a recipe as it is written."""
    from rich.syntax import Syntax

    text = _find(recipe).read_text(encoding="utf-8")
    if out.is_terminal:
        out.print(Syntax(text, "toml", background_color="default", word_wrap=True))
    else:
        print(text, end="")


@recipes_app.command("check", epilog=example("recipes check ae_l2 --set training.epochs=20"))
def check(
    recipe: Annotated[
        str, typer.Argument(help="A recipe's name or file.", autocompletion=completing(recipe_names, study_names))
    ],
    data: Data = None,
    epochs: Epochs = None,
    seed: Seed = None,
    set: Set = None,
) -> None:
    """Check a recipe and print it with every default spelled out; of a study, the runs it would train."""
    from kerasae.recipes import is_noise_sweep, is_study, load_noise_sweep, load_recipe, load_study, to_toml

    recipe = str(_find(recipe))
    if is_study(recipe):
        from kerasae.runtime import wanted_backend
        from kerasae.studies.plan import plan_study

        plan = plan_study(load_study(recipe), backend=wanted_backend(), data=data, epochs=epochs, set=set or ())
        print(*plan.run_jobs(), sep="\n")
    elif is_noise_sweep(recipe):
        print(load_noise_sweep(recipe).model_dump_json(indent=1))
    else:
        print(to_toml(load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=set or ())), end="")


def _find(recipe: str):
    """Return the file of a recipe or, where there is no such recipe, of a study."""
    from kerasae.recipes import find_recipe, shipped_recipes

    is_study = any(path.stem == Path(recipe).stem for path in shipped_recipes("studies"))
    return find_recipe(recipe, folder="studies" if is_study else "")


def _plain_table(*columns: str) -> Table:
    """Return a table without lines, its last column wrapped and the others not."""
    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in columns:
        table.add_column(column, style="bold" if column == columns[0] else "", no_wrap=column != columns[-1])
    return table


runs_app = typer.Typer(help="List runs and show their scores.", invoke_without_command=True, no_args_is_help=False)


@runs_app.callback()
def runs(
    context: typer.Context,
    sort: Annotated[
        str | None,
        typer.Option(help="Best first by a column, such as psnr, ssim, bits_per_pixel, time.", metavar="COLUMN"),
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """List the runs in a folder, the latest last."""
    if context.invoked_subcommand:
        return

    from kerasae.reports import runs_table
    from kerasae.training import runs_folder
    from kerasae.training.run import overview

    found, faults = overview(runs, sort=sort)
    if json:
        print(json_module.dumps([record.as_dict() | measured for record, measured in found], indent=1))
    elif found:
        out.print(runs_table([record for record, _ in found], {record.name: measured for record, measured in found}))
    elif not faults:
        out.print(f"no runs in {runs_folder(runs)}; train one with: kerasae train ae_baseline", highlight=False)
    for fault in faults:
        err.print(f"left out: {fault}", highlight=False, soft_wrap=True, markup=False)


@runs_app.command("show", epilog=example("runs show latest"))
def show_runs(
    run: Run = "latest",
    runs: Runs = None,
) -> None:
    """Print the scores of a run as they were when it was trained."""
    from kerasae.api import show as show_run
    from kerasae.training import load_run

    found = load_run(run, runs)
    if found.scores():
        show_run(found)
    else:
        out.print(f"{found.name} is {found.status} after epoch {found.record.epochs_done}, without scores yet")


@runs_app.command("compare", epilog=example("runs compare ae_baseline ae_l2"))
def compare(
    run: Annotated[
        list[str],
        typer.Argument(
            help="Two runs or more; the others are compared with the first.", autocompletion=completing(run_names)
        ),
    ],
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Show runs side by side: what differs in their recipes, and their scores with the difference to the first.

    Where they were scored on the same images, differences are paired and have a bootstrap interval.
    """
    from kerasae.evaluation.compare import compare_runs
    from kerasae.training import load_run, runs_folder

    comparison = compare_runs([load_run(name, runs) for name in run])
    if json:
        print(json_module.dumps(comparison.as_dict(), indent=1, ensure_ascii=False))
        return
    from kerasae.reports import run_comparison, run_comparison_table, run_difference_table

    out.print(run_difference_table(comparison))
    out.print(run_comparison_table(comparison))
    for sentence in comparison.sentences:
        out.print(sentence, highlight=False, markup=False)
    digest = hashlib.sha256(" ".join(comparison.runs).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    path = runs_folder(runs) / f"comparison-{digest}.png"
    try:
        run_comparison(path, comparison)
    except OSError as error:
        raise ReportError(
            f"{path} cannot be written: {error.strerror or error}; name another folder with --runs"
        ) from None
    out.print(f"figure: {path}", highlight=False, soft_wrap=True, markup=False)


data_app = typer.Typer(
    help="List sources of images and show their data cards.", invoke_without_command=True, no_args_is_help=False
)


@data_app.callback()
def data(context: typer.Context) -> None:
    """List the sources of images."""
    if context.invoked_subcommand:
        return
    from kerasae.recipes import SOURCES

    table = _plain_table("source", "how to ask for it", "what it is")
    for name, source in SOURCES.items():
        table.add_row(name, source.asked_for, source.about)
    out.print(table)
    out.print(
        "\nread before you rely on one: kerasae data show NAME; for faces also: kerasae data show ethics",
        highlight=False,
    )


@data_app.command("show", epilog=example("data show ffhq"))
def show_card(name: Annotated[str, typer.Argument(help="A source's name, or ethics.")]) -> None:
    """Print a data card: origin, licence, size, split, faults, who is in it and who is not."""
    from kerasae.data import data_card

    text = data_card(name)
    if out.is_terminal:
        from rich.markdown import Markdown

        out.print(Markdown(text))
    else:
        print(text, end="")


def doctor() -> None:
    """Show versions, which backends work here and on what device, and where runs and caches go."""
    from kerasae.errors import BackendError
    from kerasae.runtime import (
        BACKENDS,
        cache_folder,
        compiled_programs,
        installed_backends,
        try_backend,
        versions,
        wanted_backend,
    )

    packages = ("kerasae", "keras", *BACKENDS, "tensorflow-datasets", "numpy", "scikit-image", "pillow")
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("package", style="bold")
    table.add_column("version")
    for package, version in ({"python": sys.version.split()[0]} | versions(*packages)).items():
        table.add_row(package, version if version != "not installed" else "[dim]not installed[/]")
    out.print(table)

    table = Table(box=None, padding=(0, 2, 0, 0))
    for column in ("backend", "works", "computes on"):
        table.add_column(column, style="bold" if column == "backend" else "")
    for backend in BACKENDS:
        if backend not in installed_backends():
            table.add_row(backend, "[dim]not installed[/]", "")
            continue
        with waiting(f"trying {backend}"):
            works, device = try_backend(backend)
        table.add_row(backend, "[green]yes[/]" if works else "[red]no[/]", device)
    out.print()
    out.print(table)
    out.print()
    try:
        out.print(f"backend of the next command: {wanted_backend()} (set KERAS_BACKEND to change it)", highlight=False)
    except BackendError as error:
        out.print(f"[red]{error}[/]", highlight=False)
    runs = os.environ.get("KERASAE_RUNS", "runs (where the command runs)")
    out.print(f"runs: {runs} · decoded images: {cache_folder()}", highlight=False, soft_wrap=True)
    folder, size = compiled_programs()
    where = f"{folder}, {size / 1e6:.0f} MB" if folder else "not kept (JAX_ENABLE_COMPILATION_CACHE)"
    out.print(f"programs that JAX compiled: {where}", highlight=False, soft_wrap=True)
