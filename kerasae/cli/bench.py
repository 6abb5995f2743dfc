"""``kerasae bench``."""

import json as json_module
from dataclasses import asdict
from typing import Annotated

import typer

from kerasae.cli import options


def bench(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; every contender runs once in each.")] = 3,
    seconds: Annotated[
        float, typer.Option(min=0.1, help="Seconds of measuring per contender and round; of training, of CompressAI.")
    ] = 8.0,
    backends: Annotated[str, typer.Option(help="Backends, with commas; default all that are installed.")] = "",
    codec: Annotated[
        str | None, typer.Option(help="A run: measure how fast its files are written and read instead.", metavar="RUN")
    ] = None,
    compressai: Annotated[
        str | None,
        typer.Option(
            help="The Python of an environment with CompressAI: train its factorised prior for --seconds instead.",
            metavar="PYTHON",
        ),
    ] = None,
    data: options.Data = None,
    set: options.Set = None,
    lambdas: Annotated[str, typer.Option(help="Of CompressAI: one model for each, with commas.")] = "0.006,0.02",
    threads: Annotated[int, typer.Option(min=1, help="Of CompressAI.")] = 1,
    learning_rate: Annotated[float, typer.Option(min=1e-6, help="Of CompressAI, at the start.")] = 1e-3,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Measure training and evaluation speed against a plain PyTorch loop and a scikit-image loop.

    Let nothing else run meanwhile. Ratios are taken round by round.
    """
    from kerasae.bench import bench_table, run_bench
    from kerasae.console import err, out

    if codec and compressai:
        raise typer.BadParameter("--codec and --compressai are two benches; give one of them")
    if codec:
        _codec(codec, runs, rounds, json)
        return
    if compressai:
        settings = {"seconds": seconds, "threads": threads, "learning_rate": learning_rate}
        _compressai(compressai, data, set, lambdas, settings, json)
        return
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


def _codec(name: str, runs: str | None, rounds: int, as_json: bool) -> None:
    from kerasae.console import err, out
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    run = load_run(name, runs)
    choose_backend()

    from kerasae.bench.codec import codec_speed
    from kerasae.bench.run import speed_table
    from kerasae.codec import Codec
    from kerasae.data import load_images, split_indices

    loaded = load_images(run.recipe.data)
    images = loaded.images[split_indices(loaded, run.recipe.data)["test"][:512]]
    speeds = codec_speed(
        Codec.load(run), images, rounds=rounds, on_progress=lambda message: err.print(message, highlight=False)
    )
    if as_json:
        print(json_module.dumps([asdict(speed) for speed in speeds], indent=1))
    else:
        out.print(speed_table(speeds, f"{run.name}, {len(images)} images"))


def _compressai(python: str, data: str | None, set, lambdas: str, settings: dict, as_json: bool) -> None:
    from kerasae.bench.compressai import compressai_table, train_compressai
    from kerasae.console import err, out
    from kerasae.data import load_images, split_indices
    from kerasae.errors import BackendError
    from kerasae.recipes import load_recipe

    try:
        weights = [float(part) for part in lambdas.split(",")]
    except ValueError:
        raise BackendError(f"--lambdas {lambdas!r} is not a list of numbers; write it as 0.006,0.02") from None
    # The images and the split of a run on the same data.
    recipe = load_recipe("ae_baseline", data=data, set=set or ())
    loaded = load_images(recipe.data)
    splits = split_indices(loaded, recipe.data)
    train, test = (loaded.images[splits[name]] for name in ("train", "test"))
    results = []
    for weight in weights:
        results.append(
            train_compressai(
                python,
                train,
                test,
                lmbda=weight,
                on_progress=lambda message: err.print(message, highlight=False),
                **settings,
            )
        )
    if as_json:
        print(json_module.dumps([asdict(result) for result in results], indent=1))
    else:
        out.print(compressai_table(results, f"CompressAI, {loaded.label}, {len(train):,} images to train on"))
