"""The ``kerasae`` command."""

import os
import sys
from contextlib import suppress
from typing import Annotated, NoReturn

import typer
from rich.text import Text

from kerasae import __version__
from kerasae.cli import audit, bench, example, files, lists, rate_distortion, runs, study
from kerasae.console import err
from kerasae.errors import KerasaeError, printable
from kerasae.files import readable, refusal
from kerasae.runtime import ENDING_SIGNALS, ending_on_signals

app = typer.Typer(
    name="kerasae",
    help="Train autoencoders and variational autoencoders as image compressors, and measure them honestly.\n\n"
    "The backend is chosen by KERAS_BACKEND: tensorflow, jax or torch.",
    epilog=example("train ae_baseline --epochs 20"),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_COMMANDS = {
    "train": (runs.train, "train ae_l2 --data folder:photos --epochs 20"),
    "evaluate": (runs.evaluate, "evaluate latest --sigma 0 --sigma 0.1"),
    "generate": (runs.generate, "generate latest --count 16 -o samples"),
    "noise-sweep": (study.noise_sweep, "noise-sweep latest ae_noise --sigmas 0,0.1,0.2"),
    "study": (study.study, "study quick --dry-run"),
    "report": (runs.report, "report latest -o report.html"),
    "compress": (files.compress, "compress latest photos -o small --target-psnr 32"),
    "decompress": (files.decompress, "decompress small -o back"),
    "inspect": (files.inspect, "inspect small/portrait.kae"),
    "freeze": (files.freeze, "freeze latest"),
    "export": (files.export, "export latest -o exported"),
    "rate-distortion": (rate_distortion.rate_distortion, "rate-distortion latest --codecs jpeg,webp -o curves"),
    "audit": (audit.audit, "audit latest --group brightness"),
    "bench": (bench.bench, "bench --backends jax,torch --rounds 5"),
    "doctor": (lists.doctor, "doctor"),
}
for _name, (_function, _example) in _COMMANDS.items():
    app.command(_name, epilog=example(_example))(_function)
app.add_typer(lists.recipes_app, name="recipes", epilog=example("recipes show ae_l2"))
app.add_typer(lists.runs_app, name="runs", epilog=example("runs --sort psnr"))
app.add_typer(lists.data_app, name="data", epilog=example("data show photos"))


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
    """Run the command line: what a user can cure becomes one line and exit code 2.

    So does whatever the system refuses, such as a file on a full disk. Ctrl-C gives exit code 130, SIGTERM 143 and
    SIGHUP 129, after what was begun is left in good order.
    """
    if _TRUST in sys.argv:
        sys.argv.remove(_TRUST)
        os.environ["KERASAE_TRUST_CODE"] = "1"
    if hasattr(sys.stdout, "reconfigure"):
        # Names of files may hold bytes, and locales lack letters, that would otherwise end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        with ending_on_signals(*ENDING_SIGNALS):
            try:
                app()
            finally:
                # A full disk behind a redirection shows only now.
                sys.stdout.flush()
    except KerasaeError as error:
        _end(str(error), 2)
    except (ConnectionError, BlockingIOError):
        # Not of a file; a traceback says more.
        raise
    except OSError as error:
        _end(str(refusal(error)), 2)
    except KeyboardInterrupt:
        _end("stopped", 130)
    except SystemExit as ending:
        if ending.code in [128 + number for number in ENDING_SIGNALS]:
            _end("stopped by a signal", ending.code)
        raise


def _end(message: str, code: int) -> NoReturn:
    # The terminal may be gone, and with it the reader.
    with suppress(OSError):
        # No markup and no wrapping: a path with brackets stays a path, and a script gets one line.
        err.print(Text.assemble(("error: ", "bold red"), printable(readable(message))), soft_wrap=True)
    sys.exit(code)
