"""``kerasae inspect``."""

import json as json_module
from typing import Annotated

import typer

from kerasae.cli import options


def inspect(
    file: Annotated[str, typer.Argument(help="A .kae file or archive.")],
    run: Annotated[str | None, typer.Option("--run", help="The run that wrote it; else found by fingerprint.")] = None,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Show what a .kae file says: model, size, step, bytes, and where its run is at hand, the bits of each channel."""
    from pathlib import Path

    from kerasae.cli.console import out
    from kerasae.codec.find_run import find_run
    from kerasae.codec.frozen import FILE, Frozen
    from kerasae.codec.inspect_packed import inspect_packed
    from kerasae.codec.read_packed import read_packed
    from kerasae.errors import CodecError, KerasaeError
    from kerasae.reports import inspection_table
    from kerasae.training import load_run

    if Path(file).is_dir():
        raise CodecError(f"{file} is a folder; inspect one file at a time")
    packed = read_packed([file])
    fingerprint = next(iter(packed.values())).fingerprint
    try:
        found = load_run(run, runs) if run else find_run(fingerprint, runs)
    except KerasaeError as error:
        if run:
            raise
        found, missing = None, str(error)
    frozen = Frozen.load(found.folder / FILE) if found else None
    rows = [inspect_packed(name, one, frozen) for name, one in packed.items()]
    size = Path(file).stat().st_size
    about = {"file": file, "bytes": size, "fingerprint": fingerprint.hex(), "run": found.name if found else None}
    if json:
        print(json_module.dumps(about | {"images": rows}, indent=1))
        return
    out.print(inspection_table(rows, title=f"{file}: {size:,} bytes, model {fingerprint.hex()}"))
    if found:
        out.print(f"run: {found.folder}", highlight=False, soft_wrap=True, markup=False)
    else:
        out.print(f"bits per channel are not shown: {missing}", highlight=False, soft_wrap=True, markup=False)
