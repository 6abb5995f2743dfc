"""Whole files of many codecs on the same images: bytes against quality.

PSNR and SSIM are computed on the integers in float64 by NumPy and scikit-image, not by ``kerasae.metrics``: so they
need no accelerator and no Keras, and agree with what anybody can compute to the last digit.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from kerasae.codec import Codec, pack, unpack
from kerasae.errors import CodecError
from kerasae.evaluation.statistics import mean_variance, t_interval
from kerasae.metrics.registry import METRICS, Metric, psnr_of_mse, rated_metrics
from kerasae.rate_distortion.classical import Classical, Effort, classical_codec
from kerasae.records import BdRate, RatePoint
from kerasae.training import Run

LEAST_POINTS = 6
# The least overlap that is worth a number, in dB; see ``_in_db``.
LEAST_OVERLAP_DB = 1.5
# And so many points of each curve must lie in it.
LEAST_POINTS_INSIDE = 3


def bd_rate_metrics() -> list[str]:
    """Return the metrics in which curves are compared; PSNR both as the mean over images and of the mean error."""
    names = list(rated_metrics())
    names.insert(names.index("psnr") + 1, "psnr_of_mean_mse")
    return names


def bd_rate(
    curve: Sequence[RatePoint],
    against: Sequence[RatePoint],
    metric: str,
    *,
    counted: Literal["files", "payload"] = "files",
) -> BdRate:
    """Return how many percent more bits ``curve`` takes than ``against`` at equal ``metric``; negative is better.

    Bits are those of whole files, or of what codes the picture alone.

    Bjøntegaard's measure (VCEG-M33) with piecewise cubic interpolation, as the JVET uses it, by the package
    ``bjontegaard``: the mean difference of log-rate over the qualities that both curves reach. Points at which more
    bits bring no better quality are left out first. What is not in dB is compared by its distance from a perfect score,
    SSIM as −10·log10(1 − SSIM): equal steps of it are not equal steps near 1. ``bd_rate_percent`` is None, with the
    reason in ``message``, where either curve keeps fewer than six points or too little of the two overlaps.
    """
    from bjontegaard import bd_rate as bjontegaard_rate

    name, other = curve[0].codec, against[0].codec
    (rates, values), (other_rates, other_values) = (_rising(one, metric, counted) for one in (curve, against))

    def refused(why: str) -> BdRate:
        return BdRate(name, other, metric, bd_rate_percent=None, overlap=None, message=why, counted=counted)

    for who, points in ((name, values), (other, other_values)):
        if len(points) < LEAST_POINTS:
            return refused(f"{who} has {len(points)} points that rise with rate; at least {LEAST_POINTS} are needed")
    low, high = max(values[0], other_values[0]), min(values[-1], other_values[-1])
    inside = [int(((points >= low) & (points <= high)).sum()) for points in (values, other_values)]
    if high - low < LEAST_OVERLAP_DB or min(inside) < LEAST_POINTS_INSIDE:
        return refused(
            f"the curves share {max(high - low, 0):.1f} dB with {inside[0]} and {inside[1]} points in it; at least "
            f"{LEAST_OVERLAP_DB} dB with {LEAST_POINTS_INSIDE} points each are needed"
        )
    percent = bjontegaard_rate(
        other_rates, other_values, rates, values, method="pchip", require_matching_points=False, min_overlap=0
    )
    overlap = (_plain(low, metric), _plain(high, metric))
    return BdRate(name, other, metric, bd_rate_percent=float(percent), overlap=overlap, counted=counted)


def _rising(points: Sequence[RatePoint], metric: str, counted: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rates and qualities in dB, both rising."""
    pairs = [
        (point.bits_per_pixel if counted == "files" else point.payload_bits_per_pixel, point.metrics.get(metric))
        for point in points
    ]
    rates, values = [], []
    for rate, score in sorted(pair for pair in pairs if None not in pair):
        value = _in_db(score, metric)
        if not values or (value > values[-1] and rate > rates[-1]):
            rates.append(rate)
            values.append(value)
    return np.array(rates), np.array(values)


def _perfect(metric: str) -> float | None:
    """Return the score of equal images; None of a metric in dB, which has none."""
    about = METRICS.get(metric, METRICS["psnr"])
    return None if about.unit == "dB" else about.high if about.higher_is_better else about.low


def _in_db(value: float, metric: str) -> float:
    perfect = _perfect(metric)
    return value if perfect is None else float(psnr_of_mse(abs(perfect - value)))


def _plain(value: float, metric: str) -> float:
    perfect = _perfect(metric)
    if perfect is None:
        return float(value)
    distance = 10 ** (-value / 10)
    return float(perfect - distance if METRICS[metric].higher_is_better else perfect + distance)


# === What takes part ===


@dataclass(frozen=True)
class ClassicalContender:
    """A format at an effort, one image at a time, on one thread."""

    codec: Classical
    qualities: Sequence[float]
    effort: Effort
    is_model = False

    @property
    def name(self) -> str:
        """The format's name."""
        return self.codec.name

    @property
    def default(self) -> float:
        """The quality in the middle."""
        return self.qualities[len(self.qualities) // 2]

    @property
    def all_qualities(self) -> list[float]:
        """Every whole quality there is."""
        low, high = self.codec.span
        return list(range(low, high + 1)) if low < high else list(range(low, high - 1, -1))

    def encode(self, images: Sequence[np.ndarray], quality: float) -> list[bytes]:
        """Return a file for each uint8 image ``(height, width, channels)``."""
        return [self.codec.encode(image, quality, self.effort) for image in images]

    def decode(self, files: Sequence[bytes], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """Return an image for each file, of each of ``shapes`` (height, width, channels)."""
        return [self.codec.decode(file, shape) for file, shape in zip(files, shapes, strict=True)]

    def payload_bytes(self, files: Sequence[bytes]) -> np.ndarray:
        """Return the bytes that code the picture, ``(images,)``."""
        return np.array([self.codec.picture_bytes(file) for file in files])

    def estimated_bits(self, images: Sequence[np.ndarray], quality: float) -> None:
        """Return None: there is no estimate but the file."""

    def settings(self, quality: float, channels: int) -> dict[str, Any]:
        """Return what the codec is told, and its versions, for the record."""
        return self.codec.settings(quality, self.effort, channels) | {"version": self.codec.version()}


@dataclass(frozen=True)
class ModelContender:
    """A trained model, at some of its qualities."""

    name: str
    codec: Codec
    qualities: Sequence[float]
    effort: int = 0
    is_model = True

    @property
    def default(self) -> float:
        """The quality that files have unless asked."""
        return self.codec.frozen.qualities[self.codec.frozen.default]

    @property
    def all_qualities(self) -> list[float]:
        """Every quality there is."""
        return sorted(self.codec.frozen.qualities)

    def encode(self, images: Sequence[np.ndarray], quality: float) -> list[bytes]:
        """Return a ``.kae`` file for each image."""
        return [pack(one) for one in self.codec.pack(images, step=self.codec.step_of(quality), effort=self.effort)]

    def decode(self, files: Sequence[bytes], shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
        """Return an image for each file."""
        return self.codec.unpack([unpack(file) for file in files])

    def payload_bytes(self, files: Sequence[bytes]) -> np.ndarray:
        """Return the bytes without headers, ``(images,)``."""
        return np.array([len(unpack(file).payload) for file in files])

    def estimated_bits(self, images: Sequence[np.ndarray], quality: float) -> np.ndarray:
        """Return the information under the frozen tables, ``(images,)``."""
        return self.codec.estimated_bits(images, step=self.codec.step_of(quality))

    def settings(self, quality: float, channels: int) -> dict[str, Any]:
        """Return whether it is the default, and the model."""
        about = {"default": quality == self.default, "fingerprint": self.codec.frozen.fingerprint.hex()}
        return about | ({"effort": self.effort} if self.effort else {})


Contender = ClassicalContender | ModelContender


def classical_contenders(names: Sequence[str], qualities: Sequence[float], effort: Effort) -> list[ClassicalContender]:
    """Return the named codecs, at ``qualities`` or where there are none at the usual ones of each.

    Raises ``CodecError`` for a name that is unknown or not installed, and for qualities outside of (0, 100].
    """
    if not all(0 < quality <= 100 for quality in qualities):
        raise CodecError(f"qualities {', '.join(map(str, qualities))}: qualities lie above 0 and up to 100")
    codecs = [classical_codec(name) for name in dict.fromkeys(names)]
    chosen = tuple(sorted(set(qualities)))
    return [ClassicalContender(codec, chosen or codec.qualities, effort) for codec in codecs]


def model_contenders(
    runs: Sequence[Run], qualities: Sequence[float] = (), efforts: Sequence[int] = (0,)
) -> list[ModelContender]:
    """Return the codecs of ``runs`` under the names of their recipes, at all whole qualities unless some are given.

    Each takes part at each of ``efforts``. Of two runs of one recipe the second goes by its own name. Raises
    ``CodecError`` for a quality that there is not.
    """
    models: list[ModelContender] = []
    for run in runs:
        codec = Codec.load(run)
        # The nearest that there are: they come in quarters.
        chosen = sorted({codec.frozen.qualities[codec.step_of(quality)] for quality in qualities})
        name = run.record.recipe_name
        taken = {model.name for model in models}
        name = run.name if name in taken else name
        chosen = chosen or codec.frozen.whole_qualities()
        for effort in efforts:
            models.append(ModelContender(f"{name}, effort {effort}" if effort else name, codec, chosen, effort))
    return models


# === One point ===


def squared_error(original: np.ndarray, decoded: np.ndarray) -> float:
    """Return the mean squared error of two uint8 images ``(height, width, channels)``, in [0, 1] intensity."""
    if original.shape != decoded.shape:
        raise CodecError(f"a codec gave back {decoded.shape} for an image of {original.shape}")
    difference = original.astype(np.int64) - decoded
    return float((difference * difference).mean()) / 255**2


def structural(original: np.ndarray, decoded: np.ndarray) -> float:
    """Return scikit-image's default SSIM of two uint8 images, over colours the mean."""
    from skimage.metrics import structural_similarity

    if original.shape[-1] == 1:
        return float(structural_similarity(original[..., 0], decoded[..., 0], data_range=255))
    return float(structural_similarity(original, decoded, data_range=255, channel_axis=-1))


def mean_quality(originals: Sequence[np.ndarray], decoded: Sequence[np.ndarray]) -> dict[str, float | None]:
    """Return means over uint8 images of what ``RatePoint`` holds; None where an image is too small for a metric."""
    side = min(min(image.shape[:2]) for image in originals)
    with ThreadPoolExecutor() as pool:
        errors = np.array(list(pool.map(squared_error, originals, decoded)))
        found = {"psnr": float(psnr_of_mse(errors).mean()), "psnr_of_mean_mse": float(psnr_of_mse(errors.mean()))}
        for name, metric in rated_metrics().items():
            if side < metric.minimum_side:
                found[name] = None
            elif name not in found:
                exact = name == "ssim"
                values = pool.map(structural, originals, decoded) if exact else _by_keras(metric, originals, decoded)
                found[name] = float(np.mean(list(values)))
    return found


def _by_keras(metric: Metric, originals: Sequence[np.ndarray], decoded: Sequence[np.ndarray]) -> list[float]:
    import keras

    function = metric.load()
    pairs = (
        (one[np.newaxis].astype(np.float32) / 255 for one in pair) for pair in zip(originals, decoded, strict=True)
    )
    return [float(keras.ops.convert_to_numpy(function(*pair))[0]) for pair in pairs]


def measure(
    contender: Contender,
    originals: Sequence[np.ndarray],
    quality: float,
    *,
    inputs: Sequence[np.ndarray] | None = None,
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
    decoded = contender.decode(files, [image.shape for image in originals])
    ended = time.perf_counter()
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
        metrics=mean_quality(originals, decoded),
        encode_images_per_second=count / (encoded - began),
        decode_images_per_second=count / (ended - encoded),
        settings=contender.settings(quality, originals[0].shape[-1]),
    )


# === Pictures of equal size ===


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
    all whole qualities of their range, models over all they have.
    """
    found = []
    for contender in contenders:
        files = _search(contender, image, contender.all_qualities, budget)
        decoded = contender.decode([files], [image.shape])[0]
        found.append(Matched(contender.name, decoded, len(files), float(psnr_of_mse(squared_error(image, decoded)))))
    return found


def _search(contender: Contender, image: np.ndarray, qualities: list[float], budget: int) -> bytes:
    """Bisect for the largest file within the budget: sizes rise with quality."""
    tried: dict[int, bytes] = {}

    def file(index: int) -> bytes:
        if index not in tried:
            tried[index] = contender.encode([image], qualities[index])[0]
        return tried[index]

    low, high = 0, len(qualities) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(file(middle)) <= budget else (low, middle - 1)
    within = [content for content in tried.values() if len(content) <= budget]
    return max(within, key=len) if within else min([file(low), *tried.values()], key=len)


# === All points ===


@dataclass(frozen=True)
class RateComparison:
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
    progress: Callable[[int, int, str], None] | None = None,
) -> RateComparison:
    """Measure every contender at every quality on ``images``, uint8 ``(height, width, channels)`` each.

    With ``sigma`` the codecs see the images through Gaussian noise, clipped and rounded to 8 bits, that is fixed by
    ``names`` and ``seed``, and are compared with the clean images. ``progress(done, total, what)`` counts points.
    """
    inputs = noisy(images, names, sigma, seed) if sigma else None
    total = sum(len(one.qualities) for one in contenders)
    points: list[RatePoint] = []
    for contender in contenders:
        if contender.is_model:
            # Compiling is no part of the speed of coding.
            warm = contender.encode(images, contender.qualities[0])
            contender.decode(warm, [image.shape for image in images])
        for quality in contender.qualities:
            if progress:
                progress(len(points), total, f"{contender.name} at {quality:g}")
            points.append(measure(contender, images, quality, inputs=inputs, sigma=sigma))
    curves = [[point for point in points if point.codec == contender.name] for contender in contenders]
    models = [curve for one, curve in zip(contenders, curves, strict=True) if one.is_model]
    pairs = [([one], [other]) for one in models or curves for other in curves if other is not one]
    return RateComparison(points, bd_rates(pairs))


# A codec's curves: one for each seed that it was trained with, a single one where it was not trained.
Curves = Sequence[Sequence[RatePoint]]


def bd_rates(pairs: Iterable[tuple[Curves, Curves]]) -> list[BdRate]:
    """Return the BD-rates of the first of each pair against the second, in each metric that it has, counted both ways.

    See ``bd_rate_over_seeds``.
    """
    return [
        bd_rate_over_seeds(curves, against, metric, counted=counted)
        for curves, against in pairs
        for metric in bd_rate_metrics()
        if curves[0][0].metrics.get(metric) is not None
        for counted in ("files", "payload")
    ]


def bd_rate_over_seeds(
    curves: Curves, against: Curves, metric: str, *, counted: Literal["files", "payload"] = "files"
) -> BdRate:
    """Return the mean ``bd_rate`` of trainings that differ by their seed, with a 95 % interval over trainings.

    Each pair of curves is compared; means and spread are those of the logarithms of the ratios, in which the two sides
    add. Seeds are independent: the interval is that of Welch's t, of the trainings alone, not of other images. With one
    curve a side it is their ``bd_rate``, without an interval. Refused where any pair is.
    """
    pairs = [[bd_rate(one, other, metric, counted=counted) for other in against] for one in curves]
    every = [pair for row in pairs for pair in row]
    refused = next((pair for pair in every if pair.bd_rate_percent is None), None)
    if refused is not None or len(every) == 1:
        return refused or every[0]
    logs = np.array([[np.log1p(pair.bd_rate_percent / 100) for pair in row] for row in pairs])
    mean, low, high = float(logs.mean()), None, None
    # A side of one curve has no spread of its own.
    sides = [mean_variance(logs.mean(axis=1 - side)) for side in (0, 1) if logs.shape[side] > 1]
    if len(curves) > 1:
        low, high, _ = t_interval(mean, sides, (0.0, 1), 0.95)
    overlap = max(pair.overlap[0] for pair in every), min(pair.overlap[1] for pair in every)
    mean, low, high = (None if one is None else float(100 * np.expm1(one)) for one in (mean, low, high))
    first = every[0]
    return replace(first, bd_rate_percent=mean, overlap=overlap, low=low, high=high, seeds=len(curves))


def noisy(images: Sequence[np.ndarray], names: Sequence[str], sigma: float, seed: int) -> list[np.ndarray]:
    """Return ``images`` under Gaussian noise of ``sigma`` in [0, 1] intensity, uint8, the same for a name and seed."""
    from kerasae.evaluation.scorer import fixed_noise

    seen = []
    for image, name in zip(images, names, strict=True):
        noise = fixed_noise([name], image.shape, seed=seed, purpose="input")[0]
        seen.append(np.rint(np.clip(image / np.float32(255) + np.float32(sigma) * noise, 0, 1) * 255).astype(np.uint8))
    return seen
