"""A trained model as an image codec."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from kerasae.codec.container import Packed, check_size, pack, unpack
from kerasae.codec.frozen import Frozen, weights_digest
from kerasae.codec.frozen_run import freeze_run
from kerasae.codec.network import Network
from kerasae.codec.symbols import integers_of
from kerasae.errors import CodecError
from kerasae.models import Compressor
from kerasae.training import Run, load_run

# Padding included: 1,024 thumbnails of 128×128, or one photograph of any size.
_PIXELS_AT_ONCE = 2**24


class Codec:
    """Images ↔ bytes. ``Codec.load(run)`` for a trained run; ``Codec(model, frozen)`` from the parts.

    ::

        codec = kerasae.Codec.load("latest")
        data = codec.encode(image)        # bytes of a .kae file
        image = codec.decode(data)        # uint8 (height, width, channels)

    Both also take and return lists; images of one size then go through the network together.
    """

    def __init__(self, model: Compressor, frozen: Frozen):
        if weights_digest(model.get_weights()) != frozen.weights:
            raise CodecError(
                f"the tables of {model.name} were frozen for other weights; freeze the run again with: "
                "kerasae freeze RUN --force"
            )
        self.model = model
        self.frozen = frozen
        self.network = Network(model)

    @classmethod
    def load(cls, run, runs: str | Path | None = None) -> "Codec":
        """Return the codec of a run: a ``Run``, its folder, its name, or ``latest``.

        A run that was not frozen yet is frozen now, which needs its training images. Raises ``RunError`` where there
        is no such run or no trained model in it, ``CodecError`` where its tables are damaged or of other weights.
        """
        found = run if isinstance(run, Run) else load_run(run, runs)
        model = found.load_model()
        return cls(model, freeze_run(found, model=model))

    @property
    def channels(self) -> int:
        """Colour channels of the images: 1 or 3."""
        return self.model.channels

    def encode(self, images, *, step: int | None = None) -> bytes | list[bytes]:
        """Return the ``.kae`` file of an image, or of a list or batch of images a list of files.

        An image is uint8 ``(height, width, channels)``, or ``(height, width)`` where the model is gray; of any size
        from 1×1. ``step`` is an index into the ladder, 0 the finest; None is the default one. Each file is decoded
        again and compared before it is returned.

        Raises ``CodecError`` for another type or number of channels, an image beyond the format's size, a step out of
        range, and where what was coded does not come back.
        """
        one = _is_one(images)
        files = [pack(packed) for packed in self.pack([images] if one else list(images), step=step)]
        return files[0] if one else files

    def decode(self, data: bytes | Sequence[bytes]) -> np.ndarray | list[np.ndarray]:
        """Return the image of a ``.kae`` file, uint8 ``(height, width, channels)``, or of a list of files a list.

        Raises ``CodecError`` for a file that is damaged, or was written by another model.
        """
        one = isinstance(data, bytes | bytearray | memoryview)
        files = [bytes(data)] if one else [bytes(part) for part in data]
        images = self.unpack([unpack(file) for file in files])
        return images[0] if one else images

    def pack(self, images: Sequence[np.ndarray], *, step: int | None = None) -> list[Packed]:
        """Return what ``encode`` puts into files, for containers of another kind."""
        step = self.checked_step(step)
        shaped = [self._checked(image) for image in images]
        level = self.frozen.levels[step]
        packed: list[Packed | None] = [None] * len(shaped)
        for (height, width), places in self._batches([(*image.shape[:2],) for image in shaped]):
            latents = self.network.encode(np.stack([shaped[place] for place in places]))
            residuals = level.residuals(level.quantiser.quantise(latents))
            for place, rest in zip(places, residuals, strict=True):
                payload, escapes = level.coder.encode(rest)
                if not np.array_equal(level.coder.decode(payload, len(rest)), rest):
                    raise CodecError(
                        f"image {place} did not decode to what was coded; nothing was written: please report this"
                    )
                packed[place] = Packed(
                    self.frozen.fingerprint, height, width, self.channels, step, payload, escapes=escapes
                )
        return packed

    def unpack(self, packed: Sequence[Packed]) -> list[np.ndarray]:
        """Return the images of what ``pack`` returned."""
        integers = [self.integers(one) for one in packed]
        images: list[np.ndarray | None] = [None] * len(packed)
        for (height, width, step), places in self._batches([(one.height, one.width, one.step) for one in packed]):
            quantiser = self.frozen.levels[step].quantiser
            latents = quantiser.dequantise(np.stack([integers[place] for place in places]))
            for place, image in zip(places, self.network.decode(latents, height, width), strict=True):
                images[place] = image
        return images

    def integers(self, packed: Packed) -> np.ndarray:
        """Return the quantised latents of an image, int32 ``(rows, columns, channels)``: equal on every backend.

        Raises ``CodecError`` where the payload is damaged or of another model.
        """
        return integers_of(packed, self.frozen)

    def estimated_bits(self, images: Sequence[np.ndarray], *, step: int | None = None) -> np.ndarray:
        """Return for each image the information of its symbols under the frozen tables, in bits: ``(images,)``."""
        level = self.frozen.levels[self.checked_step(step)]
        bits = np.zeros(len(images))
        shaped = [self._checked(image) for image in images]
        for _, places in self._batches([(*image.shape[:2],) for image in shaped]):
            latents = self.network.encode(np.stack([shaped[place] for place in places]))
            bits[places] = level.estimated_bits(level.residuals(level.quantiser.quantise(latents)))
        return bits

    def _batches(self, forms: list[tuple[int, ...]]) -> Iterator[tuple[tuple[int, ...], list[int]]]:
        """Yield (height, width, …) and the places that have it in common, as many as memory bears at once."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, form in enumerate(forms):
            groups.setdefault(form, []).append(place)
        unit = self.frozen.geometry.unit
        for form, places in groups.items():
            down, across = self.frozen.geometry.units(*form[:2])
            most = max(1, _PIXELS_AT_ONCE // (down * across * unit**2))
            for start in range(0, len(places), most):
                yield form, places[start : start + most]

    def checked_step(self, step: int | None) -> int:
        """Return ``step``, the default one for None. Raises ``CodecError`` where the ladder has no such step."""
        if step is None:
            return self.frozen.default
        if not 0 <= step < len(self.frozen.levels):
            last = len(self.frozen.levels) - 1
            raise CodecError(f"step {step} is out of range; the ladder goes from 0 (finest) to {last}")
        return int(step)

    def _checked(self, image: np.ndarray) -> np.ndarray:
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


def _is_one(images) -> bool:
    return isinstance(images, np.ndarray) and images.ndim <= 3
