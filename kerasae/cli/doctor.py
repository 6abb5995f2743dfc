"""``kerasae doctor``."""

import json
import os
import subprocess
import sys

_PROBE = """
import json, warnings
warnings.simplefilter("ignore")
from kerasae.runtime import choose_backend, describe_device
backend = choose_backend()
import keras
value = keras.ops.convert_to_numpy(keras.ops.matmul(keras.ops.ones((8, 8)), keras.ops.ones((8, 8))))
assert (value == 8).all()
print(json.dumps({"device": describe_device()}))
"""


def doctor() -> None:
    """Show versions, which backends work here and on what device, and where runs and caches go."""
    from rich.table import Table

    from kerasae.console import out, waiting
    from kerasae.errors import BackendError
    from kerasae.runtime import BACKENDS, installed_backends, versions, wanted_backend

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
            works, device = _probe(backend)
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


def _probe(backend: str) -> tuple[bool, str]:
    """Return whether a small product is right on ``backend``, and its device or what went wrong."""
    done = subprocess.run(
        [sys.executable, "-c", _PROBE], env=os.environ | {"KERAS_BACKEND": backend}, capture_output=True, text=True
    )
    if done.returncode:
        return False, done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"
    return True, json.loads(done.stdout.splitlines()[-1])["device"]
