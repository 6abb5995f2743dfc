"""``kerasae rate-distortion``."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import Json, Runs, completing, run_names
from kerasae.rate_distortion.classical import CLASSICAL, installed_codecs


def rate_distortion(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Runs to compare; without any, the classical codecs.",
            metavar="[RUN]...",
            autocompletion=completing(run_names),
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="folder:PATH, every image at its native size; else the first run's test images, or photos."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test, of a run's own images.")] = "test",
    codecs: Annotated[str, typer.Option(help=f"{', '.join(CLASSICAL)}, with commas; none for none.")] = "",
    qualities: Annotated[str, typer.Option(help="Qualities of the classical codecs, with commas.")] = "",
    model_qualities: Annotated[
        str, typer.Option(help="Qualities of the models, from 1 upwards, with commas; else all whole ones.")
    ] = "",
    model_efforts: Annotated[
        str, typer.Option(help="Efforts of the learned codecs, 0 to 2, with commas; see kerasae compress --effort.")
    ] = "0",
    effort: Annotated[
        str,
        typer.Option(
            help="Of the classical codecs: best, or default, the settings of their libraries. "
            "Beside a run best is the default; without one default is, as published tables have it."
        ),
    ] = "",
    gray: Annotated[bool, typer.Option("--gray", help="Take the luma of a folder's images.")] = False,
    limit: Annotated[int | None, typer.Option(help="At most so many images, spread over them all.", max=10**9)] = None,
    sigma: Annotated[float, typer.Option(help="Noise on the input, 0 to 1; compared with the clean image.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the noise.", min=0, max=2**32 - 1)] = 0,
    out: Annotated[str | None, typer.Option("-o", "--out", help="A folder for tables and figures.")] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Bytes against quality, of trained models and of JPEG, WebP, AVIF, JPEG 2000 and JPEG XL, with BD-rates."""
    from kerasae.errors import CodecError
    from kerasae.rate_distortion.compare import classical_contenders
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run, runs_folder

    found = [load_run(target, runs) for target in targets or []]
    if not 0 <= sigma <= 1:
        raise CodecError(f"--sigma {sigma:g} is out of range; it is a standard deviation in [0, 1] intensity")
    if limit is not None and limit < 1:
        raise CodecError(f"--limit {limit} leaves no image; it is at least 1")
    effort = effort or ("best" if found else "default")
    if effort not in ("best", "default"):
        raise CodecError(f"--effort {effort!r} is neither best nor default")
    wanted = [part.strip() for part in codecs.split(",") if part.strip()] or installed_codecs()
    chosen = [] if wanted == ["none"] else wanted
    classical = classical_contenders(chosen, numbers(qualities, "--qualities", int), effort)
    if not classical and not found:
        raise CodecError("there is nothing to compare: name a run, or codecs with --codecs")
    only = numbers(model_qualities, "--model-qualities", float)
    choose_backend()

    from kerasae.console import counting, err, waiting
    from kerasae.console import out as console
    from kerasae.rate_distortion.experiment import Experiment
    from kerasae.reports import bd_rate_table, rate_table

    with waiting("loading models and images"):
        experiment = Experiment.load(
            found,
            classical,
            effort=effort,
            data=data,
            split=split,
            qualities=only,
            efforts=numbers(model_efforts, "--model-efforts", int),
            gray=gray,
            limit=limit,
            sigma=sigma,
            seed=seed,
        )
    folder = Path(out) if out else runs_folder(runs) / experiment.folder_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodecError(f"{folder} cannot be made a folder: {error.strerror}; write elsewhere with -o") from None
    with counting(err, "measuring") as bar:
        comparison = experiment.measure(lambda done, total, what: bar(done, total))
    experiment.save(folder, comparison)
    costs = experiment.costs()
    if json:
        plain = {"data": experiment.label, "effort": effort} | comparison.as_dict() | {"models": costs}
        print(json_module.dumps(plain, indent=1))
        return
    console.print(rate_table(comparison.points, title=experiment.title))
    if comparison.bd_rates:
        console.print(bd_rate_table(comparison.bd_rates))
    for cost in costs:
        macs = cost["decoder_macs_per_pixel"]
        computes = "" if macs is None else f", decoder {macs:,.1f} multiply-accumulates per pixel"
        console.print(
            f"{cost['name']}: {cost['model_bytes']:,} bytes of model and tables{computes}",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"figures and tables: {folder}", highlight=False, soft_wrap=True, markup=False)


def numbers(text: str, option: str, kind: type) -> list:
    """Return the numbers of an option, with commas between them; raises ``CodecError`` where they are none."""
    from kerasae.errors import CodecError

    try:
        return [kind(part) for part in text.split(",") if text]
    except ValueError:
        raise CodecError(
            f"{option} {text!r} is not a list of {'whole ' * (kind is int)}numbers; write it as 25,50,75"
        ) from None
