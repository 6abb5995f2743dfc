"""``kerasae rate-distortion``."""

import csv
import hashlib
import json as json_module
from pathlib import Path
from typing import Annotated

import typer

from kerasae.cli import options


def rate_distortion(
    targets: Annotated[
        list[str] | None, typer.Argument(help="Runs to compare; without any, the classical codecs.", metavar="[RUN]...")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="folder:PATH, every image at its native size; else the first run's test images, or photos."),
    ] = None,
    split: Annotated[str, typer.Option(help="train, validation or test, of a run's own images.")] = "test",
    codecs: Annotated[
        str, typer.Option(help="jpeg, webp, avif, jpeg2000, jpegxl, jpeg-444, avif-444, with commas; none for none.")
    ] = "",
    qualities: Annotated[str, typer.Option(help="Qualities of the classical codecs, with commas.")] = "",
    steps: Annotated[str, typer.Option(help="Steps of the models, with commas; else all.")] = "",
    effort: Annotated[
        str,
        typer.Option(
            help="Of the classical codecs: best, or default, the settings of their libraries. "
            "Beside a run best is the default; without one default is, as published tables have it."
        ),
    ] = "",
    gray: Annotated[bool, typer.Option("--gray", help="Take the luma of a folder's images.")] = False,
    limit: Annotated[int | None, typer.Option(help="At most so many images, spread over them all.")] = None,
    sigma: Annotated[float, typer.Option(help="Noise on the input, 0 to 1; compared with the clean image.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the noise.")] = 0,
    out: Annotated[str | None, typer.Option("-o", "--out", help="A folder for tables and figures.")] = None,
    runs: options.Runs = None,
    json: options.Json = False,
) -> None:
    """Bytes against quality, of trained models and of JPEG, WebP, AVIF, JPEG 2000 and JPEG XL, with BD-rates."""
    from kerasae.errors import CodecError
    from kerasae.runtime import choose_backend
    from kerasae.training import load_run, runs_folder

    found = [load_run(target, runs) for target in targets or []]
    if not 0 <= sigma <= 1:
        raise CodecError(f"--sigma {sigma:g} is out of range; it is a standard deviation in [0, 1] intensity")
    if limit is not None and limit < 1:
        raise CodecError(f"--limit {limit} leaves no image; it is at least 1")
    effort = effort or ("best" if found else "default")
    if effort not in ("best", "default"):
        raise CodecError(f"--effort {effort!r} is neither best nor default")
    classical = _classical(codecs, qualities, effort)
    if not classical and not found:
        raise CodecError("there is nothing to compare: name a run, or codecs with --codecs")
    choose_backend()

    from kerasae.cli.console import counting, err, waiting
    from kerasae.cli.console import out as console
    from kerasae.rate_distortion.compare import compare
    from kerasae.reports import bd_rate_table, rate_table
    from kerasae.reports import rate_distortion as draw

    with waiting("loading models and images"):
        models = _models(found, steps)
        label, names, images = _images(data, found, split=split, gray=gray, limit=limit)
    contenders = [*models, *classical]
    noise = f", input sigma {sigma:g}" if sigma else ""
    title = f"{label}, {len(images):,} image{'s' * (len(images) != 1)}{noise}; classical codecs at {effort} effort"
    place = str(Path(data.removeprefix("folder:")).resolve()) if data and data.startswith("folder:") else data
    settings = [label, place, sigma, seed, limit, effort, split, gray, [run.name for run in found]]
    settings += [[one.name, list(one.qualities)] for one in contenders]
    settings += [model.codec.frozen.digest for model in models]
    name = hashlib.sha256(json_module.dumps(settings).encode()).hexdigest()[:8]
    folder = Path(out) if out else runs_folder(runs) / f"rate_distortion-{name}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CodecError(f"{folder} cannot be made a folder: {error.strerror}; write elsewhere with -o") from None
    with counting(err, "measuring") as bar:
        comparison = compare(
            contenders,
            images,
            names=names,
            sigma=sigma,
            seed=seed,
            with_ms_ssim=min(min(image.shape[:2]) for image in images) >= 176,
            progress=lambda done, total, what: bar(done, total),
        )
    _write(folder, comparison, title, [run.name for run in found])
    draw(folder / "rate_distortion.png", comparison.points, title)
    _crops(folder / "crops.png", contenders, images, names, label)
    costs = [_cost(model) for model in models]
    if json:
        plain = {"data": label, "effort": effort} | comparison.as_dict() | {"models": costs}
        print(json_module.dumps(plain, indent=1))
        return
    console.print(rate_table(comparison.points, title=title))
    if comparison.bd_rates:
        console.print(bd_rate_table(comparison.bd_rates))
    for cost in costs:
        console.print(
            f"{cost['name']}: {cost['model_bytes']:,} bytes of model and tables, decoder "
            f"{cost['decoder_macs_per_pixel']:,.1f} multiply-accumulates per pixel",
            highlight=False,
            soft_wrap=True,
        )
    console.print(f"figures and tables: {folder}", highlight=False, soft_wrap=True, markup=False)


def _classical(codecs: str, qualities: str, effort: str):
    from kerasae.errors import CodecError
    from kerasae.rate_distortion.classical import classical_codec, installed_codecs
    from kerasae.rate_distortion.compare import ClassicalContender

    wanted = [part.strip() for part in codecs.split(",") if part.strip()] if codecs else installed_codecs()
    wanted = list(dict.fromkeys(wanted))
    if wanted == ["none"]:
        return []
    chosen = None
    if qualities:
        chosen = tuple(sorted(set(_numbers(qualities, "--qualities"))))
        if not all(0 < quality <= 100 for quality in chosen):
            raise CodecError(f"--qualities {qualities!r}: qualities lie above 0 and up to 100")
    found = [classical_codec(name) for name in wanted]
    return [ClassicalContender(codec, chosen or codec.qualities, effort) for codec in found]


def _models(found, steps: str):
    from kerasae.codec import Codec
    from kerasae.rate_distortion.compare import ModelContender

    models = []
    for run in found:
        codec = Codec.load(run)
        qualities = codec.frozen.qualities
        chosen = list(dict.fromkeys(_numbers(steps, "--steps"))) if steps else list(range(len(codec.frozen.levels)))
        for step in chosen:
            codec.checked_step(step)
        if qualities:
            # A curve needs no more than the whole qualities.
            chosen = [qualities[step] for step in chosen if steps or qualities[step] % 1 == 0]
        name = run.record.recipe_name
        taken = {model.name for model in models}
        models.append(ModelContender(run.name if name in taken else name, codec, sorted(chosen, reverse=not qualities)))
    return models


def _images(data: str | None, found, *, split: str, gray: bool, limit: int | None):
    """Return a label, names and images."""
    from kerasae.errors import CodecError
    from kerasae.rate_distortion.compare import native_images, spread

    channels = {run.recipe.data.channels for run in found}
    if len(channels) > 1:
        raise CodecError("the runs are for gray and for colour images; compare them in two calls")
    if data and data.startswith("folder:"):
        wanted = 1 if gray else channels.pop() if channels else None
        names, images = native_images(data.removeprefix("folder:"), channels=wanted, limit=limit)
        return f"folder:{Path(data.removeprefix('folder:')).resolve().name}", names, images

    from kerasae.data import load_images, split_indices
    from kerasae.recipes import load_recipe

    recipe = found[0].recipe if found and not data else load_recipe("ae_baseline", data=data or "photos")
    for run in found[1:]:
        if not data and run.recipe.data != recipe.data:
            raise CodecError(f"{run.name} and {found[0].name} were trained on other images; say which with --data")
    loaded = load_images(recipe.data)
    splits = split_indices(loaded, recipe.data)
    if split not in splits:
        raise CodecError(f"--split {split!r} is not a split; it is one of {', '.join(splits)}")
    chosen = [splits[split][place] for place in spread(len(splits[split]), limit)]
    return f"{loaded.label} {split}", [loaded.names[place] for place in chosen], list(loaded.images[chosen])


def _numbers(text: str, option: str) -> list[int]:
    from kerasae.errors import CodecError

    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise CodecError(f"{option} {text!r} is not a list of whole numbers; write it as 25,50,75") from None


def _write(folder: Path, comparison, title: str, runs: list[str]) -> None:
    from kerasae.files import replacing, write_json

    plain = comparison.as_dict()
    write_json(folder / "rate_distortion.json", {"title": title, "runs": runs} | plain)
    with (
        replacing(folder / "rate_distortion.csv") as partial,
        partial.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, list(plain["points"][0]))
        writer.writeheader()
        writer.writerows(plain["points"])


def _crops(path: Path, contenders, images, names, label: str) -> None:
    """Draw three images through every codec at about the bytes of the first one's middle quality."""
    import numpy as np

    from kerasae.rate_distortion.compare import matched
    from kerasae.reports import crop_sheet

    first = contenders[0]
    default = first.qualities[len(first.qualities) // 2]
    if hasattr(first.codec, "frozen"):
        frozen = first.codec.frozen
        default = frozen.qualities[frozen.default] if frozen.qualities else frozen.default
    files = first.encode(images, default)
    bits = [len(file) / (image.shape[0] * image.shape[1]) for file, image in zip(files, images, strict=True)]
    order = np.argsort(bits, kind="stable")
    rows = []
    for place in {int(order[index]): None for index in (len(order) // 10, len(order) // 2, -1 - len(order) // 10)}:
        image, budget = images[place], len(files[place])
        row = [(f"original\n{image.size:,} bytes raw", image)]
        for one in matched(contenders, image, budget):
            row.append((f"{one.codec}\n{one.bytes:,} bytes, {one.psnr:.1f} dB", one.image))
        rows.append(row)
    crop_sheet(path, rows, f"{label}: at most the bytes of {first.name}, or the fewest there are")


def _cost(model) -> dict:
    from kerasae.rate_distortion.compare import macs_per_pixel

    autoencoder = model.codec.model
    pixels = autoencoder.image_size**2
    return {
        "name": model.name,
        "model_bytes": 4 * autoencoder.count_params() + model.codec.frozen.size_bytes(),
        "encoder_macs_per_pixel": macs_per_pixel(autoencoder.encoder, pixels),
        "decoder_macs_per_pixel": macs_per_pixel(autoencoder.decoder, pixels),
    }
