"""What ``kerasae rate-distortion`` measures: which images, which codecs, what the models cost, and what is written."""

import csv
import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from kerasae.codec import Codec
from kerasae.codec.container import Packed, file_bytes
from kerasae.codec.files import image_paths
from kerasae.data import load_images, read_image, split_indices
from kerasae.errors import CodecError, DataError
from kerasae.files import readable, replacing, write_json
from kerasae.metrics.registry import psnr_of_mse
from kerasae.rate_distortion.classical import Effort, installed_codecs
from kerasae.rate_distortion.compare import (
    ClassicalContender,
    Contender,
    Matched,
    ModelContender,
    RateComparison,
    classical_contenders,
    compare,
    matched,
    model_contenders,
    squared_error,
)
from kerasae.recipes import load_recipe
from kerasae.training import Run

if TYPE_CHECKING:
    import keras

    from kerasae.models import Autoencoder

# === Images ===

_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".heic", ".heif")


def native_images(
    folder: str | Path, *, channels: int | None = None, limit: int | None = None
) -> tuple[list[str], list[np.ndarray]]:
    """Return names and images, uint8 ``(height, width, channels)``, of a folder tree at native sizes.

    ``channels`` of 1 takes the luma, 3 repeats gray; None keeps gray where every file is gray and gives RGB otherwise,
    so that one curve is about one kind of image. ``limit`` takes as many files, spread evenly over the sorted names.
    Raises ``DataError`` where the folder is missing or empty, or a file is broken.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"the image folder {root} does not exist; --data folder:PATH names a folder of image files")
    paths = sorted(image_paths([root], suffixes=_SUFFIXES).values())
    paths = [paths[index] for index in spread(len(paths), limit)]
    with ThreadPoolExecutor() as pool:
        images = list(pool.map(lambda path: read_image(path, channels=channels), paths))
    if channels is None and len({image.shape[-1] for image in images}) > 1:
        images = [np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image for image in images]
    return [readable(path.relative_to(root).as_posix()) for path in paths], images


def spread(count: int, limit: int | None) -> Sequence[int]:
    """Return at most ``limit`` of ``count`` indexes, evenly apart."""
    if limit is None or limit >= count:
        return range(count)
    return [index * count // limit for index in range(limit)]


def chosen_images(
    data: str | None, runs: Sequence[Run], *, split: str, gray: bool, limit: int | None
) -> tuple[str, list[str], list[np.ndarray]]:
    """Return a label, names and images: of ``data``, else of the runs' own source, else of ``photos``.

    ``folder:PATH`` gives every image at its native size, with ``gray`` its luma; other sources the images of ``split``.
    Raises ``CodecError`` where the runs are of different images, or there is no such split, ``RunError`` where they
    were trained on other images than there are now.
    """
    channels = {run.recipe.data.channels for run in runs}
    if len(channels) > 1:
        raise CodecError("the runs are for gray and for colour images; compare them in two calls")
    if data and data.startswith("folder:"):
        folder = data.removeprefix("folder:")
        names, images = native_images(folder, channels=1 if gray else next(iter(channels), None), limit=limit)
        return f"folder:{readable(Path(folder).resolve().name)}", names, images
    recipe = runs[0].recipe if runs and not data else load_recipe("ae_baseline", data=data or "photos")
    for run in runs[1:]:
        if not data and run.recipe.data != recipe.data:
            raise CodecError(f"{run.name} and {runs[0].name} were trained on other images; say which with --data")
    loaded = load_images(recipe.data)
    if not data:
        for run in runs:
            run.refuse_other_images(loaded)
    splits = split_indices(loaded, recipe.data)
    if split not in splits:
        raise CodecError(f"--split {split!r} is not a split; it is one of {', '.join(splits)}")
    chosen = [splits[split][index] for index in spread(len(splits[split]), limit)]
    if not chosen:
        raise CodecError(f"{loaded.label} has no {split} images; name another --split, or images with --data")
    return f"{loaded.label} {split}", [loaded.names[index] for index in chosen], list(loaded.images[chosen])


# === What a model costs ===


def model_cost(model: ModelContender) -> dict[str, Any]:
    """Return the bytes of a model with its tables, and the multiply-accumulates of its networks per pixel.

    These are None of networks that are no functional models. Where any size is taken they are those of an image of
    about 256×256 pixels.
    """
    autoencoder = model.codec.model
    encoder, decoder, pixels = _at_one_size(autoencoder)
    return {
        "name": model.name,
        "model_bytes": 4 * autoencoder.count_params() + model.codec.frozen.size_bytes(),
        "encoder_macs_per_pixel": macs_per_pixel(encoder, pixels),
        "decoder_macs_per_pixel": macs_per_pixel(decoder, pixels),
    }


def _at_one_size(autoencoder: "Autoencoder") -> "tuple[keras.Model, keras.Model, int]":
    """Return encoder and decoder with shapes that are known throughout, and the pixels of the image that is for."""
    import keras

    encoder, decoder, shape = autoencoder.encoder, autoencoder.decoder, autoencoder.image_shape
    if None in shape:
        sides = [side or -(-256 // autoencoder.stride) * autoencoder.stride for side in shape[:2]]
        shape = (*sides, shape[2])
        latents = keras.tree.flatten(encoder(keras.Input(shape)))[0].shape[1:]
        encoder, decoder = _for_shape(encoder, shape), _for_shape(decoder, latents)
    return encoder, decoder, math.prod(shape[:2])


def _for_shape(part: "keras.Model", shape: tuple[int, ...]) -> "keras.Model":
    """Return a functional model made anew for inputs of ``shape``; another model as it is: it cannot be counted."""
    try:
        config = part.get_config()
    except NotImplementedError:
        config = {}
    for layer in config.get("layers", ()):
        if layer["class_name"] == "InputLayer":
            layer["config"]["batch_shape"] = (None, *shape)
    return type(part).from_config(config) if "layers" in config else part


def macs_per_pixel(part: "keras.Model", pixels: int) -> float | None:
    """Return the multiply-accumulates of a functional model per pixel of the image, ``pixels`` in all.

    Counted are the products of convolutions (also transposed) and dense layers, all taps, the border's too; biases and
    activations are not. Models inside models are followed. None where a layer does not know its shapes.
    """
    try:
        return sum(_macs(layer) for layer in part.layers) / pixels
    except (AttributeError, TypeError):
        return None


def _macs(layer) -> int:
    import keras

    if isinstance(layer, keras.Model):
        return sum(_macs(inner) for inner in layer.layers)
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(layer.kernel.shape) * math.prod(layer.input.shape[1:-1])
    if isinstance(layer, keras.layers.Dense | keras.layers.Conv2D):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return 0


# === Images, codecs and what comes of them ===


@dataclass(frozen=True)
class Experiment:
    """Images and the codecs that are compared on them, under noise of ``sigma`` where that is above 0.

    ``settings`` are what decides the result besides the codecs; they and the codecs name its folder.
    """

    label: str
    names: Sequence[str]
    images: Sequence[np.ndarray]
    models: Sequence[ModelContender]
    classical: Sequence[ClassicalContender]
    runs: Sequence[str]
    effort: Effort
    sigma: float
    seed: int
    settings: Sequence[Any]

    @classmethod
    def load(
        cls,
        runs: Sequence[Run],
        classical: Sequence[ClassicalContender],
        *,
        effort: Effort,
        data: str | None = None,
        split: str = "test",
        qualities: Sequence[float] = (),
        efforts: Sequence[int] = (0,),
        gray: bool = False,
        limit: int | None = None,
        sigma: float = 0.0,
        seed: int = 0,
    ) -> "Experiment":
        """Return the experiment of ``runs`` beside ``classical``; see ``model_contenders`` and ``chosen_images``."""
        models = model_contenders(runs, qualities, efforts)
        label, names, images = chosen_images(data, runs, split=split, gray=gray, limit=limit)
        source = str(Path(data.removeprefix("folder:")).resolve()) if data and data.startswith("folder:") else data
        run_names = [run.name for run in runs]
        settings = [label, source, sigma, seed, limit, effort, split, gray, run_names]
        return cls(label, names, images, models, classical, run_names, effort, sigma, seed, settings)

    @property
    def contenders(self) -> list[Contender]:
        """The models, then the classical codecs."""
        return [*self.models, *self.classical]

    @property
    def title(self) -> str:
        """What the tables and figures are of."""
        count = f"{len(self.images):,} image{'s' * (len(self.images) != 1)}"
        noise = f", input sigma {self.sigma:g}" if self.sigma else ""
        return f"{self.label}, {count}{noise}; classical codecs at {self.effort} effort"

    @property
    def folder_name(self) -> str:
        """``rate_distortion-`` and eight digits of a hash: the same experiment goes into the same folder."""
        parts = [*self.settings, *([one.name, list(one.qualities)] for one in self.contenders)]
        parts += [model.codec.frozen.digest for model in self.models]
        return f"rate_distortion-{hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:8]}"

    def measure(self, progress: Callable[[int, int, str], None] | None = None) -> RateComparison:
        """Return every point and the BD-rates; ``progress(done, total, what)`` counts points."""
        return compare(
            self.contenders, self.images, names=self.names, sigma=self.sigma, seed=self.seed, progress=progress
        )

    def costs(self) -> list[dict[str, Any]]:
        """Return what each model weighs and computes."""
        return [model_cost(model) for model in self.models]

    def save(self, folder: Path, comparison: RateComparison) -> None:
        """Write points and BD-rates as JSON, points as CSV, the curves and some crops as PNG."""
        from kerasae.reports import rate_distortion as draw

        plain = comparison.as_dict()
        write_json(folder / "rate_distortion.json", {"title": self.title, "runs": list(self.runs)} | plain)
        with (
            replacing(folder / "rate_distortion.csv") as partial,
            partial.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(plain["points"][0]))
            writer.writeheader()
            writer.writerows(plain["points"])
        draw(folder / "rate_distortion.png", comparison.points, self.title)
        self._draw_crops(folder / "crops.png")

    def _draw_crops(self, path: Path) -> None:
        """Draw three images through every codec at about the bytes of the first one's default quality."""
        from kerasae.reports import crop_sheet

        first, *_ = self.contenders
        files = first.encode(self.images, first.default)
        bits = [len(file) / math.prod(image.shape[:2]) for file, image in zip(files, self.images, strict=True)]
        order = np.argsort(bits, kind="stable")
        chosen = dict.fromkeys(order[[len(order) // 10, len(order) // 2, -1 - len(order) // 10]].tolist())
        rows = [
            _row(self.images[index], matched(self.contenders, self.images[index], len(files[index])))
            for index in chosen
        ]
        crop_sheet(path, rows, f"{self.label}: at most the bytes of {first.name}, or the fewest there are")


# What a compressed picture is shown beside.
BESIDE = ("jpeg", "webp", "avif")


def draw_beside_classical(path: Path, codec: Codec, name: str, images: Mapping[str, np.ndarray], files: list[Packed]):
    """Draw each image, what ``codec`` made of it in its file, and JPEG, WebP and AVIF of at most as many bytes."""
    from kerasae.reports import crop_sheet

    installed = installed_codecs()
    contenders = classical_contenders([one for one in BESIDE if one in installed], (), "best")
    rows = []
    for image, packed, decoded in zip(images.values(), files, codec.unpack(files), strict=True):
        # As a file of its own, where it came out of an archive.
        size = file_bytes(replace(packed, is_usual=image.shape[:2] == codec.frozen.usual))
        ours = Matched(name, decoded, size, float(psnr_of_mse(squared_error(image, decoded))))
        rows.append(_row(image, [ours, *matched(contenders, image, ours.bytes)]))
    crop_sheet(path, rows, f"{', '.join(images)}: at most the bytes of {name}, or the fewest there are")


def _row(image: np.ndarray, others: Sequence[Matched]) -> list[tuple[str, np.ndarray]]:
    return [(f"original\n{image.size:,} bytes raw", image)] + [
        (f"{one.codec}\n{one.bytes:,} bytes, {one.psnr:.1f} dB", one.image) for one in others
    ]
