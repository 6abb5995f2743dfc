"""``kerasae study``."""

import json as json_module
import shlex
import sys
from typing import Annotated

import typer

from kerasae.cli import Data, Epochs, Json, Runs, Set, completing, study_names
from kerasae.console import StudyProgress, err, out, waiting


def study(
    recipe: Annotated[
        str,
        typer.Argument(
            help="A study: a TOML file or the name of a shipped one, such as quick.",
            autocompletion=completing(study_names),
        ),
    ],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs, what is done already, and about how long the rest takes.")
    ] = False,
    data: Data = None,
    epochs: Epochs = None,
    seeds: Annotated[str, typer.Option(help="Training seeds, with commas, instead of the study's.")] = "",
    set: Set = None,
    engine: Annotated[str, typer.Option(help="process (on this machine) or ray (a cluster).")] = "process",
    workers: Annotated[
        int | None,
        typer.Option(help="Processes at a time; default one per GPU, or else one per core.", min=1, max=1024),
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray: the cluster's HOST:PORT, or auto.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Ray: where results go, a path or URL all nodes reach; default: to this machine.")
    ] = None,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Train a grid of recipes over several seeds, score every run on the same images, and compare.

    Finished runs are reused, stopped ones go on; a run that fails is named at the end. The answer, the table and the
    comparisons are written into the study's folder; see them as a page with kerasae report.
    """
    from kerasae.recipes import load_study
    from kerasae.runtime import wanted_backend
    from kerasae.studies.engines import make_engine
    from kerasae.studies.plan import pending_jobs, plan_study
    from kerasae.studies.run import run_study

    chosen = make_engine(engine, workers=workers, address=address, storage=storage)
    plan = plan_study(
        load_study(recipe),
        backend=wanted_backend(),
        data=data,
        epochs=epochs,
        seeds=_seeds(seeds),
        set=set or (),
        runs=runs,
    )
    if dry_run:
        _show_forecast(plan, chosen, as_json=json)
        return
    pending = pending_jobs(plan)
    jobs = [*pending.runs, *pending.baselines]
    with StudyProgress(err, plan.study.name, jobs=len(jobs), done=len(pending.done)) as progress:
        try:
            record = run_study(plan, chosen, command=shlex.join(["kerasae", *sys.argv[1:]]), on_event=progress.show)
        except (KeyboardInterrupt, SystemExit):
            err.print("stopped, and its workers too; the same command goes on, and reuses what is finished")
            raise
    if json:
        print(json_module.dumps(record.as_dict(), indent=1))
    else:
        _show(record)
        out.print(f"study: {plan.folder}", highlight=False, soft_wrap=True, markup=False)
        out.print(f"as a page: kerasae report {plan.folder}", highlight=False, soft_wrap=True, markup=False)
    if record.failed:
        raise typer.Exit(1)


def _show(record) -> None:
    """Print the answer of a study, its table, its comparisons and the runs that failed."""
    from rich.text import Text

    from kerasae.reports import comparison_table, study_table

    for sentence in record.answer:
        out.print(Text(sentence))
    out.print(study_table(record))
    if record.comparisons:
        out.print(comparison_table(record))
    for name, message in record.failed.items():
        out.print(Text.assemble(("failed: ", "bold red"), f"{name}: {message}"), soft_wrap=True)


def _seeds(text: str) -> list[int] | None:
    from kerasae.errors import StudyError

    try:
        seeds = [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise StudyError(f"--seeds {text!r} is not a list of whole numbers; write it as 0,1,2") from None
    if seeds and (min(seeds) < 0 or len({*seeds}) < len(seeds)):
        raise StudyError(f"--seeds {text!r}: seeds are 0 or more, each named once")
    return seeds


def _show_forecast(plan, engine, *, as_json: bool) -> None:
    from kerasae.reports import plan_table
    from kerasae.studies.run import forecast

    with waiting("timing each kind of model for a moment"):
        found = forecast(plan, engine)
    if as_json:
        print(json_module.dumps({"runs": found.rows, "workers": found.workers, "seconds": found.seconds}, indent=1))
        return
    out.print(plan_table(found.rows, title=f"{plan.study.name}: {len(found.rows)} runs, {found.pending} to do"))
    if found.pending:
        time = f"{found.seconds / 60:.0f} min" if found.seconds >= 90 else f"{found.seconds:.0f} s"
        out.print(f"about {time} with {found.workers} at a time", highlight=False)
    err.print(f"study folder: {plan.folder}", highlight=False, soft_wrap=True, markup=False)
