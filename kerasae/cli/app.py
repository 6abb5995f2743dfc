"""The ``kerasae`` command."""

import os
import sys
from typing import Annotated

import typer
from rich.text import Text

from kerasae import __version__
from kerasae.cli import bench, files, lists, noise_sweep, rate_distortion, runs, study
from kerasae.console import err
from kerasae.errors import KerasaeError

app = typer.Typer(
    name="kerasae",
    help="Train autoencoders and variational autoencoders as image compressors, and measure them honestly.\n\n"
    "The backend is chosen by KERAS_BACKEND: tensorflow, jax or torch.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("train")(runs.train)
app.command("evaluate")(runs.evaluate)
app.command("generate")(runs.generate)
app.command("noise-sweep")(noise_sweep.noise_sweep)
app.command("study")(study.study)
app.command("report")(runs.report)
app.command("compress")(files.compress)
app.command("decompress")(files.decompress)
app.command("inspect")(files.inspect)
app.command("freeze")(files.freeze)
app.command("rate-distortion")(rate_distortion.rate_distortion)
app.add_typer(lists.recipes_app, name="recipes")
app.add_typer(lists.runs_app, name="runs")
app.add_typer(lists.data_app, name="data")
app.command("bench")(bench.bench)
app.command("doctor")(lists.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"kerasae {__version__}")
        raise typer.Exit


# Taken from anywhere on the line, since every command may load a run.
_TRUST = "--trust-code"


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
    trust_code: Annotated[
        bool, typer.Option(_TRUST, help="Import the code that a recipe or a run names; anywhere on the line.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line: what a user can cure becomes one line and exit code 2, Ctrl-C exit code 130."""
    if _TRUST in sys.argv:
        sys.argv.remove(_TRUST)
        os.environ["KERASAE_TRUST_CODE"] = "1"
    try:
        app()
    except KerasaeError as error:
        _print_error(str(error))
        sys.exit(2)
    except KeyboardInterrupt:
        _print_error("stopped")
        sys.exit(130)


def _print_error(message: str) -> None:
    # No markup and no wrapping: a path with brackets stays a path, and a script gets one line.
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)
