"""A trained model as an image codec. Loads Keras only where gradients, or layers unknown to ONNX, ask for it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from kerasae.codec.container import Packed, check_size, file_bytes, pack, unpack
from kerasae.codec.frozen import FILE, Frozen, weights_digest
from kerasae.codec.network import Network, OnnxNetwork
from kerasae.errors import CodecError
from kerasae.files import replacing
from kerasae.metrics.registry import psnr_of_mse
from kerasae.runtime import load_tensorflow_quietly

if TYPE_CHECKING:
    from kerasae.codec.keras_network import KerasNetwork
    from kerasae.models import Autoencoder

# Padding included: 1,024 thumbnails of 128×128, or one photograph of any size.
_PIXELS_AT_ONCE = 2**24
# Rounds of ``KerasNetwork.refined``.
EFFORTS = {0: 0, 1: 48, 2: 400}
# The model's name in a folder that ``Codec.save`` writes, as in a run's.
MODEL = "model.keras"


class Codec:
    """Images ↔ bytes. ``Codec.load(run)`` for a trained run, ``Codec.from_model(model, images)`` for any model.

        codec = kerasae.Codec.load("latest")
        data = codec.encode(image)        # bytes of a .kae file
        image = codec.decode(data)        # uint8 (height, width, channels)

    Both also take and return lists; images of one size then go through the network together. ``Codec(model, frozen)``
    puts the parts together: raises ``CodecError`` where the tables were frozen for other weights. ``names`` are those
    of the run and the recipe it came from; of a folder of ``save`` its name, of a model the model's, twice.
    """

    def __init__(self, model: "Autoencoder", frozen: Frozen):
        self.frozen = frozen
        self._load_model = lambda: model
        self.network: Network = self.keras_network
        self.names = (self.network.name, self.network.name)

    @classmethod
    def load(cls, run, runs: str | Path | None = None) -> "Codec":
        """Return the codec of a run: a ``Run``, its folder, its name, ``latest``; or of a folder of ``save``.

        A run that was not frozen yet is frozen now, which needs its training images. Raises ``RunError`` where there
        is no such run or no trained model in it, ``CodecError`` where its tables are damaged or of other weights.
        """
        if isinstance(run, str | Path) and (folder := saved_codec(run)):
            return cls._of_folder(folder, lambda: _load_model(folder / MODEL), (folder.resolve().name,) * 2)
        from kerasae.training import Run, load_run

        found = run if isinstance(run, Run) else load_run(run, runs)
        names = (found.name, found.record.recipe_name)
        if (found.folder / FILE).is_file():
            return cls._of_folder(found.folder, found.load_model, names)
        model = found.load_model()
        from kerasae.codec.freeze import freeze_run

        codec = cls(model, freeze_run(found, model=model))
        codec.names = names
        return codec

    @classmethod
    def _of_folder(cls, folder: Path, load_model: Callable[[], "Autoencoder"], names: tuple[str, str]) -> "Codec":
        frozen = Frozen.load(folder / FILE)
        network = OnnxNetwork.load(folder, frozen.weights, folder / MODEL)
        if network is None:
            codec = cls(load_model(), frozen)
        else:
            codec = cls.__new__(cls)
            codec.frozen, codec.network, codec._load_model = frozen, network, load_model
        codec.names = names
        return codec

    @cached_property
    def model(self) -> "Autoencoder":
        """The Keras model; a codec that was loaded from files loads it when it is asked for."""
        return self._load_model()

    @cached_property
    def keras_network(self) -> "KerasNetwork":
        """The network in Keras, which knows of gradients; raises ``CodecError`` where the model is another."""
        from kerasae.codec.keras_network import KerasNetwork

        if weights_digest(self.model.get_weights()) != self.frozen.weights:
            raise CodecError(
                f"the tables of {self.model.name} were frozen for other weights; freeze the run again with: "
                "kerasae freeze RUN --force"
            )
        return KerasNetwork(self.model)

    @classmethod
    def from_model(cls, model: "Autoencoder", images, *, progress: Callable[[int, int], None] | None = None) -> "Codec":
        """Return the codec of a trained model, its tables frozen from training ``images``; no run is needed.

        ``images`` is ``(count, height, width, channels)``, uint8 or float in [0, 1], some hundreds of them or more;
        ``progress(done, total)`` counts levels. Raises ``DataError`` for an array that holds no images, ``CodecError``
        where there are fewer than two, or the model's images are neither gray nor colour.
        """
        from kerasae.codec.freeze import freeze, lambdas_of
        from kerasae.codec.keras_network import KerasNetwork
        from kerasae.data import eight_bit

        pixels = eight_bit(images, what="training images")
        return cls(model, freeze(KerasNetwork(model), pixels, lambdas=lambdas_of(model), progress=progress))

    def save(self, folder: str | Path) -> Path:
        """Write the model, its networks in ONNX where they can be, and its tables into ``folder``; return it."""
        from kerasae.codec.onnx_graph import write_network

        folder = Path(folder).expanduser()
        with replacing(folder / MODEL) as partial_model:
            self.model.save(partial_model)
        with suppress(CodecError):
            write_network(self.keras_network, folder, folder / MODEL, self.frozen.weights)
        self.frozen.save(folder / FILE)
        return folder

    @property
    def channels(self) -> int:
        """Colour channels of the images: 1 or 3."""
        return self.network.geometry.channels

    # One image gives bytes; a batch, which is an array too, a list.
    @overload
    def encode(
        self, images: np.ndarray, *, step: int | None = ..., quality: float | None = ..., effort: int = ...
    ) -> Any: ...
    @overload
    def encode(
        self, images: list[np.ndarray], *, step: int | None = ..., quality: float | None = ..., effort: int = ...
    ) -> list[bytes]: ...
    def encode(
        self, images, *, step: int | None = None, quality: float | None = None, effort: int = 0
    ) -> bytes | list[bytes]:
        """Return the ``.kae`` file of an image, or of a list or batch of images a list of files.

        An image is uint8 ``(height, width, channels)``, or ``(height, width)`` where the model is gray; of any size
        from 1×1. ``quality`` goes from 1, the fewest bits, upwards, ``codec.frozen.qualities`` has all there are;
        ``step`` says the same as an index into them, 0 the highest; without either the default one is taken. Each file
        is decoded again and compared before it is returned. ``effort`` 1 and 2 look longer for the integers of a
        learned codec, which then take fewer bits at an equal error; decoding stays as it is.

        Raises ``CodecError`` for another type or number of channels, an image beyond the format's size, a step or
        quality out of range or both, an effort that there is not, and where what was coded does not come back.
        """
        if step is not None and quality is not None:
            raise CodecError(f"step = {step} and quality = {quality:g} each decide the step; pass one of them")
        one = _is_one(images)
        step = step if quality is None else self.step_of(quality)
        files = [pack(packed) for packed in self.pack([images] if one else list(images), step=step, effort=effort)]
        return files[0] if one else files

    @overload
    def decode(self, data: bytes) -> np.ndarray: ...
    @overload
    def decode(self, data: Sequence[bytes]) -> list[np.ndarray]: ...
    def decode(self, data: bytes | Sequence[bytes]) -> np.ndarray | list[np.ndarray]:
        """Return the image of a ``.kae`` file, uint8 ``(height, width, channels)``, or of a list of files a list.

        Raises ``CodecError`` for a file that is damaged, or was written by another model.
        """
        one = isinstance(data, bytes | bytearray | memoryview)
        files = [bytes(data)] if one else [bytes(part) for part in data]
        images = self.unpack([unpack(file) for file in files])
        return images[0] if one else images

    def pack(
        self, images: Sequence[np.ndarray], *, step: int | Sequence[int] | None = None, effort: int = 0
    ) -> list[Packed]:
        """Return what ``encode`` puts into files; ``step`` may be one for each image."""
        shaped = [self.checked(image) for image in images]
        steps = self._step_of_each(step, len(shaped))
        packed: list[Packed | None] = [None] * len(shaped)
        forms = [(*image.shape[:2], step) for image, step in zip(shaped, steps, strict=True)]
        for (height, width, step), places in self.batches(forms):
            chosen = _together(shaped, places)
            # Latents of a large image have no name here, so that they go as soon as they are quantized.
            coded = self.pack_latents(
                self.refined(chosen, self.network.encode(chosen), step, effort), height, width, step
            )
            for place, one in zip(places, coded, strict=True):
                packed[place] = one
        return packed

    def refined(self, images: np.ndarray, latents: np.ndarray, step: int, effort: int) -> np.ndarray:
        """Return ``latents`` of ``images`` as ``effort`` makes them; raises ``CodecError`` where there is no such."""
        if effort not in EFFORTS:
            raise CodecError(f"effort {effort} is not one; there are {', '.join(map(str, EFFORTS))}")
        if not effort:
            return latents
        if self.network.coder is None:
            raise CodecError(
                f"effort {effort} improves the files of learned codecs; {self.network.name} was not trained for bits: "
                "leave it at 0"
            )
        settings = {"quality": self.frozen.qualities[step], "rounds": EFFORTS[effort]}
        return self.keras_network.refined(images, latents, self.frozen.levels[step], **settings)

    def pack_latents(self, latents: np.ndarray, height: int, width: int, step: int) -> list[Packed]:
        """Return what ``pack`` does, of latents ``(images, rows, columns, channels)`` that ``network.encode`` gave."""
        level = self.frozen.levels[step]
        grid, quantized = latents.shape[1:3], level.quantize(latents)
        del latents
        coded, integers = level.encode(quantized), quantized.integers
        del quantized
        if not np.array_equal(level.decode([payload for payload, _ in coded], *grid).integers, integers):
            raise CodecError("an image did not decode to what was coded; nothing was written: please report this")
        form = (self.frozen.fingerprint, height, width, self.channels, step)
        is_usual = (height, width) == self.frozen.usual
        return [Packed(*form, payload, is_usual, escapes=escapes) for payload, escapes in coded]

    def unpack(self, packed: Sequence[Packed]) -> list[np.ndarray]:
        """Return the images of what ``pack`` returned."""
        images: list[np.ndarray | None] = [None] * len(packed)
        packed = [self.frozen.complete(one) for one in packed]
        for (height, width, step), places in self.batches([(one.height, one.width, one.step) for one in packed]):
            latents = self.frozen.levels[step].dequantize(self.frozen.quantized([packed[place] for place in places]))
            for place, image in zip(places, self.network.decode(latents, height, width), strict=True):
                images[place] = image
        return images

    def integers(self, packed: Packed) -> np.ndarray:
        """Return the quantized latents of an image, int32 ``(rows, columns, channels)``: equal on every backend.

        Raises ``CodecError`` where the payload is damaged or of another model.
        """
        return self.frozen.quantized([packed]).integers[0]

    def estimated_bits(self, images: Sequence[np.ndarray], *, step: int | None = None) -> np.ndarray:
        """Return for each image the information of its symbols under the frozen tables, in bits: ``(images,)``."""
        level = self.frozen.levels[self.checked_step(step)]
        bits = np.zeros(len(images))
        shaped = [self.checked(image) for image in images]
        for _, places in self.batches([(*image.shape[:2],) for image in shaped]):
            latents = self.network.encode(_together(shaped, places))
            bits[places] = level.estimated_bits(level.quantize(latents))
        return bits

    def batches(self, forms: list[tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], list[int]]]:
        """Yield (height, width, …) and the places that have it in common, as many as memory bears at once."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, form in enumerate(forms):
            groups.setdefault(form, []).append(place)
        geometry = self.frozen.geometry
        for form, places in groups.items():
            down, across = geometry.units(*form[:2])
            most = max(1, _PIXELS_AT_ONCE // (down * across * geometry.unit_height * geometry.unit_width))
            for start in range(0, len(places), most):
                yield form, places[start : start + most]

    def _step_of_each(self, step: int | Sequence[int] | None, count: int) -> list[int]:
        if step is None or isinstance(step, int | np.integer):
            return [self.checked_step(step)] * count
        if len(step) != count:
            raise CodecError(f"{len(step)} steps arrived for {count} images; give one for all or one for each")
        return [self.checked_step(one) for one in step]

    def step_of(self, quality: float) -> int:
        """Return the index of the step nearest to ``quality``; raises ``CodecError`` for one too low or too high."""
        qualities = self.frozen.qualities
        if not qualities[-1] <= quality <= qualities[0]:
            raise CodecError(
                f"quality {quality:g} is out of range; {self.network.name} has qualities from {qualities[-1]:g} "
                f"(fewest bits) to {qualities[0]:g}"
            )
        return int(np.argmin(np.abs(np.asarray(qualities) - quality)))

    def checked_step(self, step: int | None) -> int:
        """Return ``step``, the default one for None. Raises ``CodecError`` where the ladder has no such step."""
        if step is None:
            return self.frozen.default
        if not 0 <= step < len(self.frozen.levels):
            last = len(self.frozen.levels) - 1
            raise CodecError(f"step {step} is out of range; the ladder goes from 0 (finest) to {last}")
        return int(step)

    def checked(self, image: np.ndarray) -> np.ndarray:
        """Return an image as ``(height, width, channels)``; raises ``CodecError`` where it is none for this model."""
        image = np.asarray(image)
        if image.ndim == 2 and self.channels == 1:
            image = image[..., np.newaxis]
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[-1] != self.channels or not image.size:
            raise CodecError(
                f"an image of type {image.dtype} and shape {image.shape} arrived; the model takes uint8 of shape "
                f"(height, width, {self.channels}), at least 1×1"
            )
        check_size(image.shape[0], image.shape[1], "the image")
        return image


def saved_codec(folder: str | Path) -> Path | None:
    """Return the folder where ``Codec.save`` or ``kerasae export`` wrote a codec into it and no run lies there."""
    folder = Path(folder).expanduser()
    return folder if (folder / FILE).is_file() and not (folder / "run.json").exists() else None


def _load_model(path: Path) -> "Autoencoder":
    if not path.is_file():
        raise CodecError(f"{path} is not there: an exported codec compresses and decompresses, the model is the run's")
    load_tensorflow_quietly()
    from kerasae.models.build import load_model

    return load_model(path)


def _together(images: Sequence[np.ndarray], places: Sequence[int]) -> np.ndarray:
    """Return the images at ``places``, all of one size, as one batch; one alone is not copied."""
    return images[places[0]][np.newaxis] if len(places) == 1 else np.stack([images[place] for place in places])


def _is_one(images) -> bool:
    return isinstance(images, np.ndarray) and images.ndim <= 3


def pack_to_bytes(
    codec: Codec, images: Sequence[np.ndarray], most: int, names: Sequence[str] = (), *, effort: int = 0
) -> list[Packed]:
    """Return each image at the finest step found whose whole file has at most ``most`` bytes.

    Found by bisection, file sizes falling from step to step of the ladder but for a byte now and then. Raises
    ``CodecError`` where even the coarsest step of an image takes more; it is called by its place, or its one of
    ``names``.
    """
    explain = _too_large(most, names)
    return _search(codec, images, lambda packed, place: file_bytes(packed) <= most, explain, finest=True, effort=effort)


def pack_to_psnr(
    codec: Codec, images: Sequence[np.ndarray], least: float, names: Sequence[str] = (), *, effort: int = 0
) -> list[Packed]:
    """Return each image at the coarsest step found whose decoded picture has a PSNR of at least ``least`` dB.

    The PSNR is that of 8-bit images. Found by bisection, as in ``pack_to_bytes``. Raises ``CodecError`` where even the
    finest step of an image stays below.
    """
    images = [codec.checked(image) for image in images]

    def reaches(decoded: np.ndarray, place: int) -> bool:
        error = ((decoded.astype(np.float64) - images[place]) ** 2).mean() / 255**2
        return bool(psnr_of_mse(error) >= least)

    return _search(codec, images, reaches, _too_coarse(least, names), finest=False, effort=effort)


def _search(
    codec: Codec,
    images: Sequence[np.ndarray],
    fits: Callable[..., bool],
    explain: Callable[[int, Packed], str],
    *,
    finest: bool,
    effort: int,
) -> list[Packed]:
    """Bisect for all images of a size at once; each goes through the encoder once, whatever is tried."""
    shaped = [codec.checked(image) for image in images]
    best: list[Packed | None] = [None] * len(shaped)
    for _, places in codec.batches([image.shape[:2] for image in shaped]):
        chosen = _together(shaped, places)
        latents = codec.network.encode(chosen)

        def packed(some, steps, chosen=chosen, latents=latents):
            return _packed(codec, chosen[some], latents[some], steps, effort)

        for place, one in zip(places, _bisect(codec, packed, places, fits, explain, finest=finest), strict=True):
            best[place] = one
    return best


def _bisect(codec: Codec, packed_at, places, fits, explain, *, finest: bool) -> list[Packed]:
    """Return the best of each image at ``places``; ``packed_at(some, steps)`` packs some of them at a step each."""
    count, last = len(places), len(codec.frozen.levels) - 1
    # ``sure`` fits, or is the end where everything must; ``limit`` is the far end of what may be better still.
    sure, limit = np.full(count, last if finest else 0), np.full(count, 0 if finest else last)
    best = packed_at(np.arange(count), sure)
    for place, one, good in zip(places, best, _judge(codec, best, fits, places, finest=finest), strict=True):
        if not good:
            raise CodecError(explain(place, one))
    while (unsettled := np.flatnonzero(sure != limit)).size:
        towards = np.sign(limit - sure)
        # Rounded towards what is not known yet, so that every round settles something.
        tried = sure + towards * ((np.abs(limit - sure) + 1) // 2)
        packed = packed_at(unsettled, tried[unsettled])
        judged = _judge(codec, packed, fits, [places[place] for place in unsettled], finest=finest)
        for place, one, good in zip(unsettled, packed, judged, strict=True):
            if good:
                sure[place], best[place] = tried[place], one
            else:
                limit[place] = tried[place] - towards[place]
    return best


def _packed(codec: Codec, images: np.ndarray, latents: np.ndarray, steps: np.ndarray, effort: int) -> list[Packed]:
    """Return images of one size with these latents packed at a step each."""
    packed: list[Packed | None] = [None] * len(latents)
    for step in np.unique(steps):
        some = np.flatnonzero(steps == step)
        refined = codec.refined(images[some], latents[some], int(step), effort)
        for place, one in zip(some, codec.pack_latents(refined, *images.shape[1:3], int(step)), strict=True):
            packed[place] = one
    return packed


def _judge(codec: Codec, packed: list[Packed], fits, places: Sequence[int], *, finest: bool) -> list[bool]:
    shown = packed if finest else codec.unpack(packed)
    return [bool(fits(one, place)) for one, place in zip(shown, places, strict=True)]


def _too_large(most: int, names: Sequence[str]) -> Callable[[int, Packed], str]:
    return lambda place, least: (
        f"{_called(place, names)} takes more than {most:,} bytes even at the lowest quality, {file_bytes(least):,}; "
        "allow it more, or make it smaller"
    )


def _too_coarse(least: float, names: Sequence[str]) -> Callable[[int, Packed], str]:
    return lambda place, _: (
        f"{_called(place, names)} stays below {least:g} dB even at the highest quality; ask for less, or train a model "
        "for a higher one"
    )


def _called(place: int, names: Sequence[str]) -> str:
    return names[place] if names else f"image {place}"
