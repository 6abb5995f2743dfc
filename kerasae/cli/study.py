"""``kerasae study``."""

import json as json_module
import shlex
import sys
from typing import Annotated

import typer

from kerasae.cli import options


def study(
    recipe: Annotated[str, typer.Argument(help="A study: a TOML file or the name of a shipped one, such as quick.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the runs, what is done already, and about how long the rest takes.")
    ] = False,
    data: options.Data = None,
    epochs: options.Epochs = None,
    seeds: Annotated[str, typer.Option(help="Training seeds, with commas, instead of the study's.")] = "",
    set: options.Set = None,
    engine: Annotated[str, typer.Option(help="process (on this machine) or ray (a cluster).")] = "process",
    workers: Annotated[
        int | None, typer.Option(help="Processes at a time; default one per GPU, or else one per core.", min=1)
    ] = None,
    address: Annotated[str | None, typer.Option(help="Ray: the cluster's HOST:PORT, or auto.")] = None,
    storage: Annotated[
        str | None, typer.Option(help="Ray: where results go, a path or URL all nodes reach; default: to this machine.")
    ] = None,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Train a grid of recipes over several seeds, score every run on the same images, and compare.

    Finished runs are reused, stopped ones go on; a run that fails is named at the end. The answer, the table and the
    comparisons are written into the study's folder; see them as a page with kerasae report.
    """
    from kerasae.console import StudyProgress
    from kerasae.recipes import load_study
    from kerasae.runtime import wanted_backend
    from kerasae.studies.plan import plan_study
    from kerasae.studies.run import conduct, todo

    chosen = _engine(engine, workers, address, storage)
    plan = plan_study(
        load_study(recipe),
        backend=wanted_backend(),
        data=data,
        epochs=epochs,
        seeds=_seeds(seeds),
        set=set or (),
        runs=runs,
    )

    from kerasae.console import err, out

    if dry_run:
        _show_plan(plan, chosen, as_json=json)
        return
    left = todo(plan)
    with StudyProgress(err, plan.study.name, jobs=[*left.runs, *left.baselines], done=len(left.done)) as progress:
        command = shlex.join(["kerasae", *sys.argv[1:]])
        try:
            record = conduct(plan, chosen, command=command, listen=progress.hear)
        except KeyboardInterrupt:
            err.print("stopped; the same command goes on, and reuses what is finished", highlight=False)
            raise
    if json:
        print(json_module.dumps(record.as_dict(), indent=1))
    else:
        show_study(record, out)
        out.print(f"study: {plan.folder}", highlight=False, soft_wrap=True, markup=False)
        out.print(f"as a page: kerasae report {plan.folder}", highlight=False, soft_wrap=True, markup=False)
    if record.failed:
        raise typer.Exit(1)


def show_study(record, console) -> None:
    """Print the answer of a study, its table, its comparisons and the runs that failed."""
    from rich.text import Text

    from kerasae.reports import comparison_table, study_table

    for sentence in record.answer:
        console.print(Text(sentence))
    console.print(study_table(record))
    if record.comparisons:
        console.print(comparison_table(record))
    for name, message in record.failed.items():
        console.print(Text.assemble(("failed: ", "bold red"), f"{name}: {message}"), soft_wrap=True)


def _engine(name: str, workers: int | None, address: str | None, storage: str | None):
    from kerasae.errors import StudyError
    from kerasae.studies.engines.process import ProcessEngine
    from kerasae.studies.engines.ray import RayEngine

    if name == "process":
        if address or storage:
            raise StudyError("--address and --storage are for --engine ray")
        return ProcessEngine(workers)
    if name == "ray":
        return RayEngine(address=address, storage=storage)
    raise StudyError(f"--engine {name!r} is neither process nor ray")


def _seeds(text: str) -> list[int] | None:
    from kerasae.errors import StudyError

    try:
        found = [int(part) for part in text.split(",")] if text else None
    except ValueError:
        raise StudyError(f"--seeds {text!r} is not a list of whole numbers; write it as 0,1,2") from None
    if found and (min(found) < 0 or len({*found}) < len(found)):
        raise StudyError(f"--seeds {text!r}: seeds are 0 or more, each named once")
    return found


def _show_plan(plan, engine, *, as_json: bool) -> None:
    from kerasae.console import err, out, waiting
    from kerasae.reports import plan_table
    from kerasae.studies.run import estimate, todo

    left = todo(plan)
    with waiting("timing each kind of model for a moment"):
        expected = estimate(plan, left, engine) if left.runs else {}
    done = {job.name for job in left.done}
    rows = [
        {"run": name, "backend": job.backend, "done": name in done, "seconds": expected.get(name)}
        for name, (job, _) in plan.run_jobs().items()
    ]
    workers = getattr(engine, "workers", 1)
    total = sum(row["seconds"] or 0.0 for row in rows) / workers
    if as_json:
        print(json_module.dumps({"runs": rows, "workers": workers, "seconds": round(total, 1)}, indent=1))
        return
    out.print(plan_table(rows, title=f"{plan.study.name}: {len(rows)} runs, {len(left.runs)} to do"))
    if left.runs:
        minutes = f"{total / 60:.0f} min" if total >= 90 else f"{total:.0f} s"
        out.print(f"about {minutes} with {workers} at a time", highlight=False)
    err.print(f"study folder: {plan.folder}", highlight=False, soft_wrap=True, markup=False)
