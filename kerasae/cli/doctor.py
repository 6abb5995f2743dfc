"""``kerasae doctor``."""

import os
import sys

from rich.table import Table

from kerasae.console import out, waiting


def doctor() -> None:
    """Show versions, which backends work here and on what device, and where runs and caches go."""
    from kerasae.errors import BackendError
    from kerasae.runtime import BACKENDS, installed_backends, try_backend, versions, wanted_backend

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
    cache = os.environ.get("KERASAE_CACHE", "~/.cache/kerasae")
    out.print(f"runs: {runs} · decoded images: {cache}", highlight=False, soft_wrap=True)
