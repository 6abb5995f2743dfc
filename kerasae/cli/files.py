"""``kerasae compress``, ``decompress``, ``inspect``, ``freeze`` and ``export``."""

import json as json_module
import time
from typing import Annotated

import typer

from kerasae.cli import Json, Run, Runs, completing, run_names
from kerasae.errors import printable


def compress(
    images: Annotated[
        list[str],
        typer.Argument(
            help="A run, then image files and folders of them. Without a run, a codec that comes with kerasae.",
            metavar="[RUN] IMAGE...",
            autocompletion=completing(run_names),
        ),
    ],
    out: Annotated[
        str, typer.Option("-o", "--out", help="A folder; or a .kae file: of one image, or an archive of several.")
    ] = ".",
    quality: Annotated[
        float | None,
        typer.Option(
            help="From 1, the fewest bits, upwards; kerasae freeze RUN lists them. Learned codecs have quarters."
        ),
    ] = None,
    target_bytes: Annotated[
        int | None, typer.Option(help="Most bytes of each file; searched for each image.", max=2**40)
    ] = None,
    target_psnr: Annotated[
        float | None, typer.Option(help="Least PSNR of each image in dB; searched too.", min=0, max=200)
    ] = None,
    effort: Annotated[
        int, typer.Option(help="0 to 2: a learned codec looks longer for fewer bytes. Decoding stays as it is.")
    ] = 0,
    gray: Annotated[bool, typer.Option("--gray", help="Let a gray model take the luma of colour images.")] = False,
    compare: Annotated[
        str | None,
        typer.Option(
            help="A PNG to draw: the middles of the first three pictures beside JPEG, WebP and AVIF of as many bytes.",
            metavar="PNG",
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Compress images with a trained model to real files.

    Transparent pixels are laid over white; 16-bit gray becomes 8-bit; animations are refused. Every file is decoded
    again and compared before it is written.
    """
    from kerasae.errors import CodecError
    from kerasae.runtime import choose_backend

    _refuse_two({"--quality": quality, "--target-bytes": target_bytes, "--target-psnr": target_psnr})
    if target_bytes is not None and target_bytes < 1:
        raise CodecError(f"--target-bytes {target_bytes} holds no file; it is at least 1")
    run, images = _run_and_images(images)
    if compare is not None:
        _refuse_sheet(compare, force)
    choose_backend(load=False)

    from kerasae.codec import Codec, compress_files
    from kerasae.console import counting, err, waiting
    from kerasae.console import out as console

    with waiting("loading the model"):
        codec = Codec.load(run, runs)
    name, recipe = codec.names
    step = None if quality is None else codec.step_of(quality)
    began = time.perf_counter()
    with counting(err, "compressing") as progress:
        done = compress_files(
            codec,
            images,
            out,
            step=step,
            target_bytes=target_bytes,
            target_psnr=target_psnr,
            effort=effort,
            gray=gray,
            force=force,
            progress=progress,
        )
    seconds = time.perf_counter() - began
    facts = {"run": name} | done.as_dict(codec.frozen.qualities, seconds)
    if codec.frozen.is_empty:
        err.print(
            f"note: every latent of {name} rounds to one value, so its files hold no picture; look at its scores "
            "(kerasae evaluate) and train longer",
            highlight=False,
            soft_wrap=True,
            markup=False,
        )
    for remark in done.remarks:
        err.print(f"note: {remark}", highlight=False, soft_wrap=True, markup=False)
    if compare is not None:
        _draw_comparison(compare, codec, recipe, images, done.outputs)
    if json:
        print(json_module.dumps(facts, indent=1))
        return
    where = printable(str(done.outputs[0])) if len(done.outputs) == 1 else f"{len(done.outputs):,} files in {out}"
    console.print(
        f"{done.images:,} image{'s' * (done.images != 1)} → {where}: {done.bytes_written:,} bytes, "
        f"{facts['bits_per_pixel']:.3f} bits per pixel, 1:{facts['compression_ratio']:.1f} of 8-bit pixels "
        f"({_taken(codec.frozen, done.steps)}, {done.escapes:,} symbols outside the tables, "
        f"{_shown(facts['images_per_second'])} images/s)",
        highlight=False,
        soft_wrap=True,
        markup=False,
    )
    if compare is not None:
        console.print(f"sheet: {printable(compare)}", highlight=False, soft_wrap=True, markup=False)


def _shown(speed: float) -> str:
    return f"{speed:,.0f}" if speed >= 10 else f"{speed:.2g}"


def _run_and_images(words: list[str]) -> tuple[str, list[str]]:
    """Return the run that is meant, which may be named first, and the images.

    What is called as an image is, or is a folder and no run, is an image or a folder of them.
    """
    from pathlib import Path

    from kerasae.codec.codec import saved_codec
    from kerasae.codec.files import SUFFIXES, shipped_for
    from kerasae.errors import CodecError

    first = Path(words[0]).expanduser()
    is_run = (first / "run.json").exists() or saved_codec(first)
    if not is_run and (first.exists() or first.suffix.lower() in SUFFIXES):
        return shipped_for(words), words
    if len(words) == 1:
        raise CodecError(f"there is nothing to do: name images after {words[0]}, files or folders of them")
    return words[0], words[1:]


def _refuse_sheet(path: str, force: bool) -> None:
    from pathlib import Path

    from kerasae.codec.files import refuse_existing
    from kerasae.errors import CodecError

    if Path(path).suffix.lower() != ".png":
        raise CodecError(f"--compare {path} is not the name of a PNG; it ends in .png")
    if not force:
        refuse_existing([Path(path)])


def _draw_comparison(path, codec, name: str, images: list[str], outputs) -> None:
    from pathlib import Path

    from kerasae.codec.files import image_paths, read_packed
    from kerasae.data import read_image
    from kerasae.rate_distortion.experiment import draw_beside_classical

    sources = list(image_paths(images).items())[:3]
    # An archive knows its images by name; of files there is one for each image, in the same order.
    packed = [one for output in outputs[:3] for one in read_packed([output]).values()][:3]
    shown = {label: read_image(source, channels=codec.channels) for label, source in sources}
    draw_beside_classical(Path(path), codec, name, shown, packed)


def _taken(frozen, steps: tuple[int, int]) -> str:
    """Return in words which qualities were taken, of which there are."""
    low, high = (f"{frozen.qualities[step]:g}" for step in reversed(steps))
    return f"quality {low if low == high else f'{low} to {high}'} of 1–{frozen.qualities[0]:g}"


def _refuse_two(options: dict[str, object]) -> None:
    from kerasae.errors import CodecError

    given = [name for name, value in options.items() if value is not None]
    if len(given) > 1:
        raise CodecError(f"{' and '.join(given)} each decide the quality; pass one of them")


def decompress(
    files: Annotated[list[str], typer.Argument(help=".kae files, archives, and folders of them.", metavar="FILE...")],
    out: Annotated[str, typer.Option("-o", "--out", help="A folder for PNG files; or one image file.")] = ".",
    run: Annotated[
        str | None,
        typer.Option(
            "--run", help="The run that wrote them; else found by fingerprint.", autocompletion=completing(run_names)
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    runs: Runs = None,
) -> None:
    """Turn .kae files back into images, with the run that wrote them."""
    from functools import lru_cache

    from kerasae.runtime import choose_backend

    choose_backend(load=False)

    from kerasae.codec import Codec, decompress_files
    from kerasae.codec.files import find_run, read_packed
    from kerasae.console import counting, err, waiting
    from kerasae.console import out as console

    packed = read_packed(files)

    @lru_cache(maxsize=2)
    def codec_of(fingerprint: bytes) -> Codec:
        return Codec.load(run, runs) if run else Codec.load(find_run(fingerprint, runs))

    with waiting("loading the model"):
        for fingerprint in sorted({one.fingerprint for one in packed.values()})[:2]:
            codec_of(fingerprint)
    with counting(err, "decompressing") as progress:
        written = decompress_files(codec_of, packed, out, force=force, progress=progress)
    where = printable(str(written[0])) if len(written) == 1 else f"{len(written):,} files in {out}"
    console.print(
        f"{len(written):,} image{'s' * (len(written) != 1)} → {where}", highlight=False, soft_wrap=True, markup=False
    )


def inspect(
    file: Annotated[str, typer.Argument(help="A .kae file or archive.")],
    run: Annotated[
        str | None,
        typer.Option(
            "--run", help="The run that wrote it; else found by fingerprint.", autocompletion=completing(run_names)
        ),
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Show what a .kae file says: model, size, bytes; with its run at hand also quality and bits of each channel."""
    from pathlib import Path

    from kerasae.codec import Frozen
    from kerasae.codec.files import find_run, inspect_packed, read_packed
    from kerasae.codec.frozen import FILE
    from kerasae.console import out
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
    out.print(inspection_table(rows, title=f"{printable(file)}: {size:,} bytes, model {fingerprint.hex()}"))
    if found:
        out.print(f"run: {found.folder}", highlight=False, soft_wrap=True, markup=False)
    else:
        out.print(
            f"quality and bits per channel are not shown: {missing}", highlight=False, soft_wrap=True, markup=False
        )


def freeze(
    run: Run,
    force: Annotated[
        bool, typer.Option("--force", help="Freeze anew; files written before can then not be read.")
    ] = False,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Choose steps and freeze probability tables from a run's training images, so that it can write files.

    compress does so by itself where it was not done; this lists its qualities.
    """
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    choose_backend()

    from kerasae.codec import freeze_run
    from kerasae.console import counting, err, out
    from kerasae.reports import ladder_table

    with counting(err, "freezing") as progress:
        frozen = freeze_run(found, force=force, progress=progress)
    rows = frozen.ladder()
    if json:
        print(json_module.dumps(rows, indent=1))
        return
    out.print(ladder_table(rows, title=f"{found.name}, frozen from {frozen.images:,} training images"))
    out.print(
        f"without quantisation {frozen.unquantized_psnr:.2f} dB · fingerprint {frozen.fingerprint.hex()}",
        highlight=False,
    )


def export(
    run: Run,
    out: Annotated[
        str, typer.Option("-o", "--out", help="A folder of its own for encoder, decoder and tables.")
    ] = "exported",
    format: Annotated[
        str,
        typer.Option(
            help="onnx, which takes images of every size; run, a small run to hand on, its weights as float16; or "
            "saved_model, litert, openvino, by Keras."
        ),
    ] = "onnx",
    force: Annotated[bool, typer.Option("--force", help="Write into a folder that holds something.")] = False,
    runs: Runs = None,
) -> None:
    """Write a run's networks and tables for other machines and programs.

    ``kerasae compress FOLDER IMAGE...`` takes what onnx and run write, without Keras.
    """
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    found = load_run(run, runs)
    _refuse_full_folder(out, found.folder, force)
    choose_backend()

    from kerasae.codec import Codec
    from kerasae.codec.freeze import export_run
    from kerasae.codec.onnx_graph import export as write
    from kerasae.console import out as console
    from kerasae.console import waiting

    with waiting("exporting"):
        folder = export_run(found, out) if format == "run" else write(Codec.load(found), out, format)
    console.print(f"{found.name} → {printable(str(folder))}", highlight=False, soft_wrap=True, markup=False)


def _refuse_full_folder(out: str, run, force: bool) -> None:
    from pathlib import Path

    from kerasae.errors import CodecError

    folder = Path(out).expanduser()
    if folder.exists() and not folder.is_dir():
        raise CodecError(f"{out} is a file; -o names a folder")
    if folder.exists() and folder.samefile(run):
        raise CodecError(f"{out} is the run itself; name another folder with -o")
    if not force and folder.exists() and any(folder.iterdir()):
        raise CodecError(
            f"{out} is not empty, and what is in it may be overwritten; pass --force, or name another folder"
        )
