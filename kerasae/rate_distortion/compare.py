"""Whole files of many codecs on the same images: bytes against quality.

Computed on the integers in float64 by NumPy and scikit-image, not by ``kerasae.metrics``: the comparison with other
codecs needs no accelerator and no Keras, and agrees with what anybody can compute to the last digit.
"""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from kerasae.codec import Codec, pack, unpack
from kerasae.data import read_image
from kerasae.errors import CodecError, DataError
from kerasae.rate_distortion.bd_rate import METRICS, bd_rate
from kerasae.rate_distortion.classical import Classical, Effort
from kerasae.records import BdRate, RatePoint

# scikit-image's default window.
_SSIM_SIDE = 7
_MS_SSIM_SIDE = 176


def squared_error(original: np.ndarray, decoded: np.ndarray) -> float:
    """Return the mean squared error of two uint8 images ``(height, width, channels)``, in [0, 1] intensity."""
    if original.shape != decoded.shape:
        raise CodecError(f"a codec gave back {decoded.shape} for an image of {original.shape}")
    difference = original.astype(np.int64) - decoded
    return float((difference * difference).mean()) / 255**2


def psnr_of(squared_errors: np.ndarray | float) -> np.ndarray:
    """Return 10·log10(1 / mse) in dB; at most 100, which stands for equal images."""
    return -10 * np.log10(np.maximum(squared_errors, 1e-10))


def structural(original: np.ndarray, decoded: np.ndarray) -> float | None:
    """Return scikit-image's default SSIM, over colours the mean; None where a side is below its window of 7 pixels."""
    if min(original.shape[:2]) < _SSIM_SIDE:
        return None
    from skimage.metrics import structural_similarity

    if original.shape[-1] == 1:
        return float(structural_similarity(original[..., 0], decoded[..., 0], data_range=255))
    return float(structural_similarity(original, decoded, data_range=255, channel_axis=-1))


def multi_scale(original: np.ndarray, decoded: np.ndarray) -> float | None:
    """Return MS-SSIM (``kerasae.metrics.ms_ssim``); None where a side is below 176 pixels."""
    if min(original.shape[:2]) < _MS_SSIM_SIDE:
        return None
    import keras

    from kerasae.metrics import ms_ssim

    pair = (image[np.newaxis].astype(np.float32) / 255 for image in (original, decoded))
    return float(keras.ops.convert_to_numpy(ms_ssim(*pair))[0])


def macs_per_pixel(part: keras.Model, pixels: int) -> float:
    """Return the multiply-accumulates of a functional model per pixel of the image, ``pixels`` in all.

    Counted are the products of convolutions (also transposed) and dense layers, all taps, the border's too; biases and
    activations are not. Models inside models are followed.
    """
    return sum(_macs(layer) for layer in part.layers) / pixels


def _macs(layer) -> int:
    if isinstance(layer, keras.Model):
        return sum(_macs(inner) for inner in layer.layers)
    if isinstance(layer, keras.layers.Dense):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    if isinstance(layer, keras.layers.Conv2DTranspose):
        return math.prod(layer.kernel.shape) * math.prod(layer.input.shape[1:-1])
    if isinstance(layer, keras.layers.Conv2D):
        return math.prod(layer.kernel.shape) * math.prod(layer.output.shape[1:-1])
    return 0


SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def native_images(
    folder: str | Path,
    *,
    channels: int | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[np.ndarray]]:
    """Return names and images, uint8 ``(height, width, channels)``, of a folder tree at native sizes.

    ``channels`` of 1 takes the luma, 3 repeats gray; None keeps gray where every file is gray and gives RGB otherwise,
    so that one curve is about one kind of image. ``limit`` takes as many files, spread evenly over the sorted names.
    Raises ``DataError`` where the folder is missing or empty, or a file is broken.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"the image folder {root} does not exist; --data folder:PATH names a folder of image files")
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise DataError(f"{root} holds no image files ({', '.join(SUFFIXES)})")
    paths = [paths[index] for index in spread(len(paths), limit)]
    with ThreadPoolExecutor() as pool:
        images = []
        for image in pool.map(lambda path: read_image(path, channels=channels), paths):
            images.append(image)
            if progress:
                progress(len(images), len(paths))
    if channels is None and len({image.shape[-1] for image in images}) > 1:
        images = [np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image for image in images]
    return [path.relative_to(root).as_posix() for path in paths], images


def spread(count: int, limit: int | None) -> Sequence[int]:
    """Return at most ``limit`` of ``count`` places, evenly apart."""
    if limit is None or limit >= count:
        return range(count)
    return [place * count // limit for place in range(limit)]


class Contender(Protocol):
    """A codec under a name. ``payload_bytes`` and ``estimated_bits`` return None where the format does not tell."""

    name: str
    qualities: Sequence[float]

    def encode(self, images: Sequence[np.ndarray], quality: float) -> list[bytes]:
        """Return a file for each uint8 image ``(height, width, channels)``."""

    def decode(self, files: Sequence[bytes], channels: int) -> list[np.ndarray]:
        """Return an image for each file."""

    def payload_bytes(self, files: Sequence[bytes]) -> np.ndarray | None:
        """Return the bytes of each file without its header."""

    def estimated_bits(self, images: Sequence[np.ndarray], quality: float) -> np.ndarray | None:
        """Return the information of each image under the codec's probabilities."""

    def settings(self, quality: float, channels: int) -> dict[str, Any]:
        """Return what decides the result, for the record."""


@dataclass(frozen=True)
class ClassicalContender:
    """A format, one image at a time, on one thread."""

    codec: Classical
    qualities: Sequence[float]
    effort: Effort

    @property
    def name(self) -> str:
        """The format's name."""
        return self.codec.name

    def encode(self, images: Sequence[np.ndarray], quality: float) -> list[bytes]:
        """Return a file for each image."""
        return [self.codec.encode(image, quality, self.effort) for image in images]

    def decode(self, files: Sequence[bytes], channels: int) -> list[np.ndarray]:
        """Return an image for each file."""
        return [self.codec.decode(file, channels) for file in files]

    def payload_bytes(self, files: Sequence[bytes]) -> None:
        """Return None: what of the file is header is the format's own affair."""

    def estimated_bits(self, images: Sequence[np.ndarray], quality: float) -> None:
        """Return None: there is no estimate but the file."""

    def settings(self, quality: float, channels: int) -> dict[str, Any]:
        """Return what Pillow is told, and its versions."""
        return self.codec.settings(quality, self.effort, channels) | {"version": self.codec.version()}


@dataclass(frozen=True)
class ModelContender:
    """A trained model; its qualities are the indexes of its steps, or a learned codec's own qualities."""

    name: str
    codec: Codec
    qualities: Sequence[float]

    def encode(self, images: Sequence[np.ndarray], quality: float) -> list[bytes]:
        """Return a ``.kae`` file for each image."""
        return [pack(one) for one in self.codec.pack(images, step=self._step(quality))]

    def decode(self, files: Sequence[bytes], channels: int) -> list[np.ndarray]:
        """Return an image for each file."""
        return self.codec.unpack([unpack(file) for file in files])

    def payload_bytes(self, files: Sequence[bytes]) -> np.ndarray:
        """Return the bytes without headers, ``(images,)``."""
        return np.array([len(unpack(file).payload) for file in files])

    def estimated_bits(self, images: Sequence[np.ndarray], quality: float) -> np.ndarray:
        """Return the information under the frozen tables, ``(images,)``."""
        return self.codec.estimated_bits(images, step=self._step(quality))

    def settings(self, quality: float, channels: int) -> dict[str, Any]:
        """Return the step and the model."""
        frozen, step = self.codec.frozen, self._step(quality)
        return {"step": step, "default": step == frozen.default, "fingerprint": frozen.fingerprint.hex()}

    def _step(self, quality: float) -> int:
        return self.codec.step_of(quality) if self.codec.frozen.qualities else int(quality)


def measure(
    contender: Contender,
    originals: Sequence[np.ndarray],
    quality: float,
    *,
    inputs: Sequence[np.ndarray] | None = None,
    with_ms_ssim: bool = False,
    sigma: float = 0.0,
) -> RatePoint:
    """Return what ``originals``, uint8 ``(height, width, channels)`` each, cost and look like at ``quality``.

    ``inputs`` are compressed in their place, where the originals are to be seen through noise of ``sigma``; the decoded
    images are compared with the originals. Bits per pixel are those of all files together over all pixels together; the
    qualities are means over images.
    """
    given = originals if inputs is None else inputs
    began = time.perf_counter()
    files = contender.encode(given, quality)
    encoded = time.perf_counter()
    decoded = contender.decode(files, originals[0].shape[-1])
    ended = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        errors = np.array(list(pool.map(squared_error, originals, decoded)))
        ssim = [value for value in pool.map(structural, originals, decoded) if value is not None]
    ms_ssim = [multi_scale(*pair) for pair in zip(originals, decoded, strict=True)] if with_ms_ssim else []
    ms_ssim = [value for value in ms_ssim if value is not None]
    pixels = sum(image.shape[0] * image.shape[1] for image in originals)
    count, size = len(files), sum(map(len, files))
    payload, estimated = contender.payload_bytes(files), contender.estimated_bits(given, quality)
    return RatePoint(
        codec=contender.name,
        quality=quality,
        sigma=sigma,
        images=count,
        bytes_per_image=size / count,
        bits_per_pixel=8 * size / pixels,
        payload_bits_per_pixel=None if payload is None else float(8 * payload.sum() / pixels),
        estimated_bits_per_pixel=None if estimated is None else float(estimated.sum() / pixels),
        psnr=float(psnr_of(errors).mean()),
        psnr_of_mean_mse=float(psnr_of(errors.mean())),
        ssim=float(np.mean(ssim)) if ssim else None,
        ms_ssim=float(np.mean(ms_ssim)) if ms_ssim else None,
        encode_images_per_second=count / (encoded - began),
        decode_images_per_second=count / (ended - encoded),
        settings=contender.settings(quality, originals[0].shape[-1]),
    )


@dataclass(frozen=True)
class Matched:
    """A decoded image, uint8 ``(height, width, channels)``, with what it took."""

    codec: str
    image: np.ndarray
    bytes: int
    psnr: float


def matched(contenders: Sequence[Contender], image: np.ndarray, budget: int) -> list[Matched]:
    """Return ``image`` decoded from the largest file of each contender that has at most ``budget`` bytes.

    Where even the smallest file is larger, that one is taken: its bytes say so. Classical codecs are searched over
    all whole qualities of their range, models over their steps.
    """
    found = []
    for contender in contenders:
        files = _search(contender, image, _all_qualities(contender), budget)
        decoded = contender.decode([files], image.shape[-1])[0]
        found.append(Matched(contender.name, decoded, len(files), float(psnr_of(squared_error(image, decoded)))))
    return found


def _all_qualities(contender: Contender) -> list[float]:
    if isinstance(contender, ClassicalContender):
        low, high = contender.codec.span
    elif contender.codec.frozen.qualities:
        return sorted(contender.codec.frozen.qualities)
    else:
        low, high = int(min(contender.qualities)), int(max(contender.qualities))
    return list(range(low, high + 1))


def _search(contender: Contender, image: np.ndarray, qualities: list[float], budget: int) -> bytes:
    """Bisect for the largest file within the budget: sizes rise with quality, falling with a model's step."""
    tried: dict[int, bytes] = {}

    def file(place: int) -> bytes:
        if place not in tried:
            tried[place] = contender.encode([image], qualities[place])[0]
        return tried[place]

    if len(file(0)) > len(file(len(qualities) - 1)):
        qualities.reverse()
        tried.clear()
    low, high = 0, len(qualities) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(file(middle)) <= budget else (low, middle - 1)
    within = [content for content in tried.values() if len(content) <= budget]
    return max(within, key=len) if within else min([file(low), *tried.values()], key=len)


@dataclass(frozen=True)
class Comparison:
    """Points of every codec, and the BD-rates of each model (or, without any, of each codec) against each other."""

    points: list[RatePoint]
    bd_rates: list[BdRate]

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return points and differences as dictionaries fit for JSON."""
        return {
            "points": [point.as_dict() for point in self.points],
            "bd_rates": [one.as_dict() for one in self.bd_rates],
        }


def compare(
    contenders: Sequence[Contender],
    images: Sequence[np.ndarray],
    *,
    names: Sequence[str],
    sigma: float = 0.0,
    seed: int = 0,
    with_ms_ssim: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Measure every contender at every quality on ``images``, uint8 ``(height, width, channels)`` each.

    With ``sigma`` the codecs see the images through Gaussian noise, clipped and rounded to 8 bits, that is fixed by
    ``names`` and ``seed``, and are compared with the clean images. ``progress(done, total, what)`` counts points.
    """
    inputs = noisy(images, names, sigma, seed) if sigma else None
    total = sum(len(one.qualities) for one in contenders)
    points: list[RatePoint] = []
    for contender in contenders:
        if not isinstance(contender, ClassicalContender):
            # Compiling is no part of the speed of coding.
            warm = contender.encode(images, contender.qualities[0])
            contender.decode(warm, images[0].shape[-1])
        for quality in contender.qualities:
            if progress:
                progress(len(points), total, f"{contender.name} at {quality:g}")
            points.append(measure(contender, images, quality, inputs=inputs, with_ms_ssim=with_ms_ssim, sigma=sigma))
    curves = [[point for point in points if point.codec == contender.name] for contender in contenders]
    models = [curve for one, curve in zip(contenders, curves, strict=True) if not isinstance(one, ClassicalContender)]
    return Comparison(
        points,
        [
            bd_rate(curve, other, metric)
            for curve in models or curves
            for other in curves
            if other is not curve
            for metric in METRICS
        ],
    )


def noisy(images: Sequence[np.ndarray], names: Sequence[str], sigma: float, seed: int) -> list[np.ndarray]:
    """Return ``images`` under Gaussian noise of ``sigma`` in [0, 1] intensity, uint8, the same for a name and seed."""
    from kerasae.evaluation.score import fixed_noise

    seen = []
    for image, name in zip(images, names, strict=True):
        noise = fixed_noise([name], image.shape, seed=seed, purpose="input")[0]
        seen.append(np.rint(np.clip(image / np.float32(255) + np.float32(sigma) * noise, 0, 1) * 255).astype(np.uint8))
    return seen
