"""``kerasae decompress``."""

from typing import Annotated

import typer

from kerasae.cli import options


def decompress(
    files: Annotated[list[str], typer.Argument(help=".kae files, archives, and folders of them.", metavar="FILE...")],
    out: Annotated[str, typer.Option("-o", "--out", help="A folder for PNG files; or one image file.")] = ".",
    run: Annotated[
        str | None, typer.Option("--run", help="The run that wrote them; else found by fingerprint.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite files that are there.")] = False,
    runs: options.Runs = None,
) -> None:
    """Turn .kae files back into images, with the run that wrote them."""
    from functools import lru_cache

    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    named = load_run(run, runs) if run else None
    choose_backend()

    from kerasae.cli.console import err
    from kerasae.cli.console import out as console
    from kerasae.cli.counting import counting
    from kerasae.cli.finish import waiting
    from kerasae.codec import Codec, decompress_files
    from kerasae.codec.find_run import find_run
    from kerasae.codec.read_packed import read_packed

    packed = read_packed(files)

    @lru_cache(maxsize=2)
    def codec_of(fingerprint: bytes) -> Codec:
        return Codec.load(named or find_run(fingerprint, runs))

    with waiting("loading the model"):
        for fingerprint in sorted({one.fingerprint for one in packed.values()})[:2]:
            codec_of(fingerprint)
    with counting(err, "decompressing") as progress:
        written = decompress_files(codec_of, packed, out, force=force, progress=progress)
    where = str(written[0]) if len(written) == 1 else f"{len(written):,} files in {out}"
    console.print(
        f"{len(written):,} image{'s' * (len(written) != 1)} → {where}", highlight=False, soft_wrap=True, markup=False
    )
