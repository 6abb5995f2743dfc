"""``kerasae compress``."""

import json as json_module
import time
from typing import Annotated

import typer

from kerasae.cli import options


def compress(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or latest.")],
    images: Annotated[list[str], typer.Argument(help="Image files, and folders of them.", metavar="IMAGE...")],
    out: Annotated[
        str, typer.Option("-o", "--out", help="A folder; or a .kae file: of one image, or an archive of several.")
    ] = ".",
    step: Annotated[int | None, typer.Option(help="Index into the run's ladder of steps, 0 the finest.")] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Let a gray model take the luma of colour images.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Compress images with a trained model to real files.

    Transparent pixels are laid over white; 16-bit gray becomes 8-bit; animations are refused. Every file is decoded
    again and compared before it is written.
    """
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    choose_backend()

    from kerasae.cli.console import err
    from kerasae.cli.console import out as console
    from kerasae.cli.counting import counting
    from kerasae.cli.finish import waiting
    from kerasae.codec import Codec, compress_files

    with waiting("loading the model"):
        codec = Codec.load(found)
    began = time.perf_counter()
    with counting(err, "compressing") as progress:
        done = compress_files(codec, images, out, step=step, gray=gray, force=force, progress=progress)
    seconds = time.perf_counter() - began
    used = codec.frozen.default if step is None else step
    facts = {
        "run": found.name,
        "step": used,
        "images": done.images,
        "pixels": done.pixels,
        "bytes": done.bytes_written,
        "bits_per_pixel": 8 * done.bytes_written / done.pixels,
        "compression_ratio": done.raw_bytes / done.bytes_written,
        "escapes": done.escapes,
        "images_per_second": done.images / seconds,
        "outputs": [str(path) for path in done.outputs],
    }
    if codec.frozen.is_empty:
        err.print(
            f"note: every latent of {found.name} rounds to one value, so its files hold no picture; look at its scores "
            "(kerasae evaluate) and train longer",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    if json:
        print(json_module.dumps(facts, indent=1))
        return
    where = str(done.outputs[0]) if len(done.outputs) == 1 else f"{len(done.outputs):,} files in {out}"
    console.print(
        f"{done.images:,} image{'s' * (done.images != 1)} → {where}: {done.bytes_written:,} bytes, "
        f"{facts['bits_per_pixel']:.3f} bits per pixel, 1:{facts['compression_ratio']:.1f} of 8-bit pixels "
        f"(step {used} of 0–{len(codec.frozen.levels) - 1}, {done.escapes:,} symbols outside the tables, "
        f"{facts['images_per_second']:,.0f} images/s)",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
