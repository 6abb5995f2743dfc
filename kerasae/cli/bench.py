"""``kerasae bench``."""

import json as json_module
from dataclasses import asdict
from typing import Annotated

import typer

from kerasae.cli import options


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs once in each.")] = 3,
    seconds: Annotated[float, typer.Option(min=0.1, help="Seconds of measuring per contender and round.")] = 8.0,
    backends: Annotated[str, typer.Option(help="Backends, with commas; default all that are installed.")] = "",
    json: options.Json = False,
) -> None:
    """Measure training and evaluation speed against a plain PyTorch loop and a scikit-image loop.

    Let nothing else run meanwhile. Ratios are taken round by round.
    """
    from kerasae.bench import bench_table, run_bench
    from kerasae.cli.console import err, out

    chosen = [part.strip() for part in backends.split(",")] if backends else None
    result = run_bench(
        backends=chosen,
        rounds=rounds,
        seconds_per_round=seconds,
        on_progress=lambda message: err.print(message, highlight=False),
    )
    if json:
        print(json_module.dumps(asdict(result), indent=1))
    else:
        out.print(bench_table(result))
