"""``kerasae report``."""

import shlex
import sys
from typing import Annotated

import typer

from kerasae.cli import options


def report(
    target: Annotated[str, typer.Argument(help="A run or a study: its folder, its name, or latest (run).")] = "latest",
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", help="File to write, or - to print. Default: report.html in its folder."),
    ] = None,
    format: Annotated[
        str | None, typer.Option(help="html, markdown, latex or csv; default by the output's ending, or else html.")
    ] = None,
    runs: options.Runs = None,
) -> None:
    """Write all there is to know of a run or a study as one page that needs no network.

    From records on disk alone: no Keras, no images, no accelerator. The other formats hold the table.
    """
    from kerasae.api import report as write_report
    from kerasae.api import report_format, report_text
    from kerasae.console import out

    chosen = report_format(format, output)
    command = shlex.join(["kerasae", *sys.argv[1:]])
    if output == "-" or (output is None and chosen != "html"):
        text = report_text(target, format=chosen, runs=runs, command=command)
        print(text, end="" if text.endswith("\n") else "\n")
        return
    path = write_report(target, output, format=chosen, runs=runs, command=command)
    out.print(f"report: {path}", highlight=False, soft_wrap=True, markup=False)
