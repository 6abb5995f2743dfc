"""``kerasae runs``."""

import json as json_module
from typing import Annotated

import typer

from kerasae.cli import options

app = typer.Typer(help="List runs and show their scores.", invoke_without_command=True, no_args_is_help=False)


@app.callback()
def runs(context: typer.Context, runs: options.Runs = None, json: options.Json = False) -> None:
    """List the runs in a folder, the latest last."""
    if context.invoked_subcommand:
        return
    from kerasae.cli.console import out
    from kerasae.reports import runs_table
    from kerasae.training import list_runs, runs_folder

    found = list_runs(runs)
    if json:
        print(json_module.dumps([run.record.as_dict() for run in found], indent=1))
    elif found:
        out.print(runs_table([run.record for run in found]))
    else:
        out.print(f"no runs in {runs_folder(runs)}; train one with: kerasae train ae_baseline", highlight=False)


@app.command("show")
def show(
    run: Annotated[str, typer.Argument(help="A run: its folder, its name, or latest.")] = "latest",
    runs: options.Runs = None,
) -> None:
    """Print the scores of a run as they were when it was trained."""
    from kerasae.cli.console import out
    from kerasae.cli.finish import show as show_run
    from kerasae.training import load_run

    found = load_run(run, runs)
    if found.scores():
        show_run(found, out)
    else:
        out.print(f"{found.name} is {found.record.status} after epoch {found.record.epochs_done}, without scores yet")


@app.command("compare")
def compare(
    run: Annotated[list[str], typer.Argument(help="Two runs or more; the others are compared with the first.")],
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Show runs side by side: what differs in their recipes, and their scores with the difference to the first.

    Where they were scored on the same images, differences are paired and have a bootstrap interval.
    """
    from kerasae.comparison.compare_runs import compare_runs
    from kerasae.training import load_run

    comparison = compare_runs([load_run(name, runs) for name in run])
    if json:
        print(json_module.dumps(comparison.as_dict(), indent=1, ensure_ascii=False))
        return
    from kerasae.cli.console import out
    from kerasae.reports import run_comparison_table, run_difference_table

    out.print(run_difference_table(comparison))
    out.print(run_comparison_table(comparison))
    for sentence in comparison.sentences:
        out.print(sentence, highlight=False, markup=False)
