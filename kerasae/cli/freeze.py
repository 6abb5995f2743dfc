"""``kerasae freeze``."""

import json as json_module
from typing import Annotated

import typer

from kerasae.cli import options


def freeze(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or latest.")],
    force: Annotated[
        bool, typer.Option("--force", help="Freeze anew; files written before can then not be read.")
    ] = False,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Choose steps and freeze probability tables from a run's training images, so that it can write files.

    compress does so by itself where it was not done; this shows the ladder of steps.
    """
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    choose_backend()

    from kerasae.cli.console import err, out
    from kerasae.cli.counting import counting
    from kerasae.codec import freeze_run
    from kerasae.reports import ladder_table

    with counting(err, "freezing") as progress:
        frozen = freeze_run(found, force=force, progress=progress)
    rows = [
        {"step": place, "psnr": psnr, "bits_per_pixel": bits, "default": place == frozen.default}
        for place, (psnr, bits) in enumerate(zip(frozen.psnr, frozen.bits_per_pixel, strict=True))
    ]
    for row, quality in zip(rows, frozen.qualities, strict=False):
        row["quality"] = quality
    if json:
        print(json_module.dumps(rows, indent=1))
        return
    out.print(ladder_table(rows, title=f"{found.name}, frozen from {frozen.images:,} training images"))
    out.print(
        f"without quantisation {frozen.unquantised_psnr:.2f} dB · fingerprint {frozen.fingerprint.hex()}",
        highlight=False,
    )
