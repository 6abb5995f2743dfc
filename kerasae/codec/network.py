"""Images of any size ↔ latents, through a autoencoder's encoder and decoder."""

from collections.abc import Iterator
from functools import lru_cache

import keras
import numpy as np

from kerasae.codec.frozen import Geometry
from kerasae.models import Autoencoder
from kerasae.runtime import load_tensorflow_quietly, worth_compiling

# What goes through the network at once: 64 thumbnails of 128×128, or one photograph.
_PIXELS_AT_ONCE = 64 * 128 * 128
# Batches are filled up to one of these sizes, so that few shapes need compiling.
_BATCHES = (1, 8, 64)


class Network:
    """Both halves of a autoencoder for images of any size.

    A model that takes any size gets the image padded at the right and below, by repeating its edge, to a multiple of
    the stride. Any other gets it padded to a multiple of its own size and cut into tiles of that size; their latents
    lie side by side as the tiles do. Either way latents are ``(images, rows, columns, channels)``.
    """

    def __init__(self, model: Autoencoder):
        self.model = model
        self._any_size = model.takes_any_size
        unit = model.stride if self._any_size else model.image_size
        shape = model.latent_shape
        self.channels = shape[-1]
        rows, columns = shape[:2] if len(shape) == 3 else (1, 1)
        if self._any_size:
            rows, columns = (side * unit // model.image_size for side in (rows, columns))
        self.geometry = Geometry(unit, rows, columns, model.channels)
        self._parts = lru_cache(maxsize=8)(self._make_parts)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return float32 latents ``(images, rows, columns, channels)`` of uint8 images."""
        (count, height, width, _), unit, geometry = images.shape, self.geometry.unit, self.geometry
        if height % unit or width % unit:
            images = np.pad(images, ((0, 0), (0, -height % unit), (0, -width % unit), (0, 0)), mode="edge")
        if self._any_size:
            encoder, _ = self._parts(*images.shape[1:3])
            return _run(encoder, images, images[0, ..., 0].size).reshape(count, *geometry.grid(height, width), -1)
        encoder, _ = self._parts(unit, unit)
        latents = _run(encoder, _cut(images, unit, unit), unit**2).reshape(
            -1, geometry.rows, geometry.columns, self.channels
        )
        return _join(latents, count, *geometry.units(height, width))

    def reconstruct(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return float32 images in [0, 1], ``(images, height, width, channels)``, of latents that ``encode`` shaped."""
        unit, geometry = self.geometry.unit, self.geometry
        down, across = geometry.units(height, width)
        if self._any_size:
            _, decoder = self._parts(down * unit, across * unit)
            return _run(decoder, latents, down * across * unit**2)[:, :height, :width]
        _, decoder = self._parts(unit, unit)
        tiles = _cut(latents, geometry.rows, geometry.columns).reshape(-1, *self.model.latent_shape)
        return _join(_run(decoder, tiles, unit**2), len(latents), down, across)[:, :height, :width]

    def decode(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return what ``reconstruct`` does, as uint8 in [0, 255], rounded to nearest."""
        return np.rint(np.clip(self.reconstruct(latents, height, width), 0.0, 1.0) * 255.0).astype(np.uint8)

    def _make_parts(self, height: int, width: int):
        encoder, decoder = self.model.encoder, self.model.decoder
        if (height, width) != self.model.image_shape[:2]:
            encoder = _for_shape(encoder, (height, width, self.model.channels))
            decoder = _for_shape(decoder, encoder.output_shape[1:])
        # The latents of a learned codec are rounded by its frozen quantizer, not by its bottleneck.
        bottleneck = _ToCode(self.model.bottleneck) if self.model.has_entropy_model else self.model.bottleneck
        return _Part(encoder, bottleneck), _Part(decoder, None)


class _ToCode(keras.layers.Layer):
    def __init__(self, bottleneck):
        super().__init__(dtype="float32")
        self.bottleneck = bottleneck
        self.built = True

    def call(self, encoded):
        return self.bottleneck.to_code(encoded), None


class _Part(keras.Model):
    """One half as a compiled function; uint8 images are scaled inside."""

    def __init__(self, part, bottleneck):
        # A class name with an underscore in front makes no scope that TensorFlow takes.
        super().__init__(name="decode" if bottleneck is None else "encode")
        self.part = part
        self.bottleneck = bottleneck
        self.built = True
        self.compile(jit_compile=worth_compiling())

    def call(self, batch):
        if self.bottleneck is None:
            return self.part(batch)
        return self.bottleneck(self.part(keras.ops.cast(batch, "float32") / 255.0))[0]


def _for_shape(part: keras.Model, shape: tuple[int, ...]) -> keras.Model:
    """Return the same layers with the same weights for inputs of another size."""
    load_tensorflow_quietly()
    clone = keras.models.clone_model(part, input_tensors=keras.Input(shape, name=part.inputs[0].name))
    clone.set_weights(part.get_weights())
    return clone


def _run(part: keras.Model, batch: np.ndarray, pixels: int) -> np.ndarray:
    """Return what ``part`` makes of ``batch``, a few at a time; each stands for so many ``pixels`` of an image."""
    return np.concatenate([np.asarray(part.predict_on_batch(some))[:count] for some, count in _batches(batch, pixels)])


def _batches(batch: np.ndarray, pixels: int) -> Iterator[tuple[np.ndarray, int]]:
    """Yield parts of ``batch``, each filled up with its first image to a usual size, and how many of it count."""
    most = max(size for size in _BATCHES if size == 1 or size * pixels <= _PIXELS_AT_ONCE)
    for start in range(0, len(batch), most):
        part = batch[start : start + most]
        size = next(size for size in _BATCHES if size >= len(part))
        filled = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)]) if len(part) < size else part
        yield filled, len(part)


def _cut(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return tiles ``(images · tiles, rows, columns, channels)`` of ``(images, height, width, channels)``."""
    count, height, width, channels = images.shape
    parts = images.reshape(count, height // rows, rows, width // columns, columns, channels)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(-1, rows, columns, channels)


def _join(tiles: np.ndarray, count: int, down: int, across: int) -> np.ndarray:
    """Undo ``_cut``: tiles ``(images · down · across, rows, columns, channels)``."""
    _, rows, columns, channels = tiles.shape
    parts = tiles.reshape(count, down, across, rows, columns, channels).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(count, down * rows, across * columns, channels)
