"""``kerasae generate``."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import options

_FILES = (".png", ".jpg", ".jpeg", ".webp", ".pdf", ".svg")


def generate(
    run: Annotated[str, typer.Argument(help="A run of a variational model: its folder, its name, or latest.")],
    out: Annotated[
        str | None,
        typer.Option("-o", "--out", help="Folder for the figures; default the run's own.", metavar="DIR"),
    ] = None,
    count: Annotated[int, typer.Option("--count", help="Samples of the prior.", min=1, max=1024)] = 32,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the samples and of the choice of images.", min=0)] = 0,
    between: Annotated[
        tuple[str, str] | None,
        typer.Option("--between", help="Two image files to interpolate between.", metavar="IMAGE IMAGE"),
    ] = None,
    dimensions: Annotated[int, typer.Option("--dimensions", help="Latents to traverse.", min=1, max=64)] = 8,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Draw what a variational run makes up: samples of the prior, interpolations, traversals.

    Three PNG files: decoded draws of N(0, 1); the straight line between the posterior means of two images, test images
    unless --between names others; and the latents with the largest KL divergence, each moved by itself.
    """
    from kerasae.cli.console import out as console
    from kerasae.cli.console import waiting
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
