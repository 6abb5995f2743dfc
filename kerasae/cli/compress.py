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
    quality: Annotated[
        float | None, typer.Option(help="Of a learned codec: from 1, the fewest bits, to its highest, in quarters.")
    ] = None,
    target_bytes: Annotated[int | None, typer.Option(help="Most bytes of each file; searched for each image.")] = None,
    target_psnr: Annotated[float | None, typer.Option(help="Least PSNR of each image in dB; searched too.")] = None,
    gray: Annotated[bool, typer.Option("--gray", help="Let a gray model take the luma of colour images.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Compress images with a trained model to real files.

    Transparent pixels are laid over white; 16-bit gray becomes 8-bit; animations are refused. Every file is decoded
    again and compared before it is written.
    """
    from kerasae.errors import CodecError
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    _refuse_two({"--step": step, "--quality": quality, "--target-bytes": target_bytes, "--target-psnr": target_psnr})
    if target_bytes is not None and target_bytes < 1:
        raise CodecError(f"--target-bytes {target_bytes} holds no file; it is at least 1")
    found = load_run(run, runs)
    choose_backend()

    from kerasae.cli.console import err
    from kerasae.cli.console import out as console
    from kerasae.cli.counting import counting
    from kerasae.cli.finish import waiting
    from kerasae.codec import Codec, compress_files

    with waiting("loading the model"):
        codec = Codec.load(found)
    if quality is not None:
        step = codec.step_of(quality)
    began = time.perf_counter()
    with counting(err, "compressing") as progress:
        done = compress_files(
            codec,
            images,
            out,
            step=step,
            target_bytes=target_bytes,
            target_psnr=target_psnr,
            gray=gray,
            force=force,
            progress=progress,
        )
    seconds = time.perf_counter() - began
    qualities = codec.frozen.qualities
    facts = {
        "run": found.name,
        "step": done.steps[0],
        "coarsest_step": done.steps[1],
        "quality": qualities[done.steps[0]] if qualities else None,
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
        f"({_taken(codec.frozen, done.steps)}, {done.escapes:,} symbols outside the tables, "
        f"{facts['images_per_second']:,.0f} images/s)",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )


def _taken(frozen, steps: tuple[int, int]) -> str:
    """Return in words which steps or qualities were taken, of which there are."""
    if frozen.qualities:
        low, high = (f"{frozen.qualities[step]:g}" for step in reversed(steps))
        return f"quality {low if low == high else f'{low} to {high}'} of 1–{frozen.qualities[0]:g}"
    low, high = steps
    return f"step {low if low == high else f'{low} to {high}'} of 0–{len(frozen.levels) - 1}"


def _refuse_two(options: dict[str, object]) -> None:
    from kerasae.errors import CodecError

    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise CodecError(f"{' and '.join(given)} each decide the step; pass one of them")
