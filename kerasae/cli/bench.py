"""``kerasae bench``."""

import json as json_module
from dataclasses import asdict
from typing import Annotated

import typer

from kerasae.cli import Data, Json, Runs, Set, run_option
from kerasae.console import err, out


def bench(
    rounds: Annotated[int, typer.Option(min=1, max=1000, help="Rounds; every contender runs once in each.")] = 3,
    seconds: Annotated[
        float,
        typer.Option(
            min=0.1, max=86_400, help="Seconds of measuring per contender and round; of training, of CompressAI."
        ),
    ] = 8.0,
    backends: Annotated[str, typer.Option(help="Backends, with commas; default all that are installed.")] = "",
    models: Annotated[
        str, typer.Option(help="ae, vae or codec, with commas; with a batch size as ae:1024.")
    ] = "ae,vae",
    peers: Annotated[
        str, typer.Option(help="plain, compiled (torch.compile) or graph (a CUDA graph), with commas.")
    ] = "plain",
    images: Annotated[int, typer.Option(min=1, max=1_000_000, help="Crops to train on and to score.")] = 1024,
    bounds: Annotated[
        bool, typer.Option("--bounds", help="Show seconds to the first epoch, and shares of what the device can do.")
    ] = False,
    codec: Annotated[
        str | None,
        run_option("--codec", "A run: measure how fast its files are written and read instead."),
    ] = None,
    compressai: Annotated[
        str | None,
        typer.Option(
            help="The Python of an environment with CompressAI: train its factorised prior for --seconds instead.",
            metavar="PYTHON",
        ),
    ] = None,
    data: Data = None,
    set: Set = None,
    lambdas: Annotated[str, typer.Option(help="Of CompressAI: one model for each, with commas.")] = "0.006,0.02",
    threads: Annotated[int, typer.Option(min=1, max=1024, help="Of CompressAI.")] = 1,
    learning_rate: Annotated[float, typer.Option(min=1e-6, max=1, help="Of CompressAI, at the start.")] = 1e-3,
    runs: Runs = None,
    json: Json = False,
) -> None:
    """Measure training and evaluation speed against a plain PyTorch loop and a scikit-image loop.

    Let nothing else run meanwhile. Ratios are taken round by round.
    """
    if codec and compressai:
        raise typer.BadParameter("--codec and --compressai are two benches; give one of them")
    if codec:
        measured, table = _codec(codec, runs, rounds)
    elif compressai:
        settings = {"seconds": seconds, "threads": threads, "learning_rate": learning_rate}
        measured, table = _compressai(compressai, data, set, lambdas, settings)
    else:
        from kerasae.bench import measure_speed, speed_table

        chosen = _parts(backends) if backends else None
        measured = measure_speed(
            models=_parts(models),
            backends=chosen,
            peers=_parts(peers),
            bounds=bounds,
            rounds=rounds,
            seconds_per_round=seconds,
            images=images,
            on_progress=_print_line,
        )
        table = speed_table(measured)
    if json:
        plain = [asdict(one) for one in measured] if isinstance(measured, list) else asdict(measured)
        print(json_module.dumps(plain, indent=1))
    else:
        out.print(table)


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _print_line(message: str) -> None:
    err.print(message, highlight=False)


def _codec(name: str, runs: str | None, rounds: int):
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run

    run = load_run(name, runs)
    choose_backend()

    from kerasae.bench.speed import codec_speed_table, measure_codec_speed
    from kerasae.codec import Codec
    from kerasae.data import load_images, split_indices

    loaded = load_images(run.recipe.data)
    images = loaded.images[split_indices(loaded, run.recipe.data)["test"][:512]]
    speeds = measure_codec_speed(Codec.load(run), images, rounds=rounds, on_progress=_print_line)
    return speeds, codec_speed_table(speeds, f"{run.name}, {len(images)} images")


def _compressai(python: str, data: str | None, set, lambdas: str, settings: dict):
    from kerasae.bench.compressai import compressai_table, measure_compressai
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
    results = [
        measure_compressai(python, train, test, lmbda=weight, on_progress=_print_line, **settings) for weight in weights
    ]
    return results, compressai_table(results, f"CompressAI, {loaded.label}, {len(train):,} images to train on")
