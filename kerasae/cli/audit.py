"""``kerasae audit``."""

import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import Json, Runs, completing, run_names


def audit(
    targets: Annotated[
        list[str],
        typer.Argument(help="Runs, or shipped codecs.", metavar="RUN...", autocompletion=completing(run_names)),
    ],
    data: Annotated[
        str | None,
        typer.Option(help="folder:PATH, every image at its native size; else the runs' own test images."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test, of the runs' own images.")] = "test",
    group: Annotated[
        list[str] | None,
        typer.Option(
            "--group", help="A column of the labels, or brightness or contrast; may be given again.", metavar="COLUMN"
        ),
    ] = None,
    person: Annotated[
        str | None,
        typer.Option(
            help="The column that says who is on an image, or none; else the recipe's group_column.", metavar="COLUMN"
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(help="A CSV file that describes the images; else those of their source.", metavar="FILE"),
    ] = None,
    codecs: Annotated[
        str, typer.Option(help="Classical codecs of as many bytes, with commas; none.")
    ] = "jpeg,webp,avif",
    qualities: Annotated[
        str, typer.Option(help="Qualities of the models, with commas; else lowest, default and highest.")
    ] = "",
    marks: Annotated[int, typer.Option(help="Marks drawn on each image, each coded by itself.", min=0, max=100)] = 2,
    sigma: Annotated[float, typer.Option(help="Noise on what is coded, 0 to 1.", min=0, max=1)] = 0.0,
    limit: Annotated[int | None, typer.Option(help="At most so many images, spread over them all.", min=2)] = None,
    seed: Annotated[int, typer.Option(help="Seed of marks and noise.", min=0, max=2**32 - 1)] = 0,
    out: Annotated[str | None, typer.Option("-o", "--out", help="A folder for what is found.")] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """What compression does to marks such as moles and scars, and to groups of persons, beside other codecs."""
    from kerasae.cli.rate_distortion import numbers
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run, runs_folder

    found = [load_run(target, runs) for target in targets]
    chosen = [part.strip() for part in codecs.split(",") if part.strip() not in ("", "none")]
    asked = numbers(qualities, "--qualities", float)
    choose_backend(load=False)

    from kerasae.audits.experiment import Sitting
    from kerasae.console import counting, err, waiting
    from kerasae.console import out as console
    from kerasae.reports.sections.audit import audit_sentences, audit_tables

    with waiting("loading models and images"):
        sitting = Sitting.load(
            found,
            chosen,
            data=data,
            split=split,
            columns=group or [],
            person=person,
            labels=labels,
            qualities=asked,
            marks=marks,
            sigma=sigma,
            limit=limit,
            seed=seed,
            folder=Path(out) if out else runs_folder(runs),
        )
    with counting(err, "measuring") as progress:
        result = sitting.run(progress)
    if json:
        sentences = [sentence for _, sentence in audit_sentences(result)]
        print(json_module.dumps(result.as_dict() | {"sentences": sentences}, indent=1))
        return
    for table in audit_tables(result):
        console.print(table)
    for kind, sentence in audit_sentences(result):
        style = "yellow" if kind else ""
        console.print(
            f"warning: {sentence}" if kind else sentence, style=style, highlight=False, soft_wrap=True, markup=False
        )
    console.print(f"all of it: {sitting.folder}", highlight=False, soft_wrap=True, markup=False)
