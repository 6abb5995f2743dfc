"""``kerasae report``."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import options

_FORMATS = ("html", "markdown", "latex", "csv")


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
    from kerasae.cli.console import out
    from kerasae.errors import KerasaeError
    from kerasae.files import write_text
    from kerasae.reports import page, report_text
    from kerasae.studies.report import load_report
    from kerasae.studies.results import find_study
    from kerasae.training import load_run

    chosen = _format(format, output)
    content = load_report(target, runs=runs, command=shlex.join(["kerasae", *sys.argv[1:]]))
    text = page(content) if chosen == "html" else report_text(content, chosen)
    if output == "-" or (output is None and chosen != "html"):
        print(text, end="" if text.endswith("\n") else "\n")
        return
    folder = find_study(target, runs)
    folder = folder if folder is not None else load_run(target, runs).folder
    path = Path(output).expanduser() if output else folder / "report.html"
    try:
        write_text(path, text)
    except OSError as error:
        raise KerasaeError(f"{path} cannot be written: {error.strerror}; write elsewhere with -o") from None
    out.print(f"report: {path}", highlight=False, soft_wrap=True, markup=False)


def _format(format: str | None, output: str | None) -> str:
    from kerasae.errors import KerasaeError

    endings = {".md": "markdown", ".tex": "latex", ".csv": "csv"}
    chosen = format or (endings.get(Path(output).suffix.lower(), "html") if output else "html")
    if chosen not in _FORMATS:
        raise KerasaeError(f"--format {format!r} is not one of {', '.join(_FORMATS)}")
    return chosen
