"""Images of any size ↔ latents, through a model's encoder and decoder: the one module here that needs Keras."""

from collections.abc import Iterator
from functools import lru_cache

import keras
import numpy as np

from kerasae.codec.frozen import Geometry
from kerasae.codec.integer_network import spread
from kerasae.errors import CodecError
from kerasae.models import Autoencoder
from kerasae.models.checks import resized
from kerasae.runtime import worth_compiling

# What goes through the network at once: 64 thumbnails of 128×128, or one photograph.
_PIXELS_AT_ONCE = 64 * 128 * 128
# Batches are filled up to one of these sizes, so that few shapes need compiling.
_BATCHES = (1, 8, 64)
# Where a network leaves sides open, its latents are counted at about this many pixels a side.
_PROBED_SIDE = 256


class Network:
    """Both halves of an autoencoder for images of any size.

    A model that takes any size gets the image padded at the right and below, by repeating its edge, to a multiple of
    the stride. Any other gets it padded to a multiple of its own size and cut into tiles of that size; their latents
    lie side by side as the tiles do. Either way latents are ``(images, rows, columns, channels)``; what a bottleneck
    exports besides on a coarser grid, such as hyper-latents, lies over blocks of positions in further channels.

    ``coder`` names the latent coder that freezes what the bottleneck exports; None where it exports nothing.
    Raises ``CodecError`` for images that are neither gray nor colour.
    """

    def __init__(self, model: Autoencoder):
        if model.channels not in (1, 3):
            raise CodecError(
                f"{model.name} takes images of {model.channels} channels; compressed files hold gray or colour images, "
                "of 1 or 3"
            )
        self.model = model
        # A bottleneck of a user's own need not know of coders.
        self.coder: str | None = getattr(model.bottleneck, "coder", None)
        self.channels = model.latent_shape[-1]
        self.geometry = _any_size_geometry(model) if model.takes_any_size else _tile_geometry(model)
        self._parts = lru_cache(maxsize=8)(self._make_parts)

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return float32 latents ``(images, rows, columns, channels)`` of uint8 images."""
        (count, height, width, _), geometry = images.shape, self.geometry
        unit = geometry.unit_height, geometry.unit_width
        if height % unit[0] or width % unit[1]:
            images = np.pad(images, ((0, 0), (0, -height % unit[0]), (0, -width % unit[1]), (0, 0)), mode="edge")
        size = unit
        if self.model.takes_any_size:
            size = images.shape[1:3]
        tiles = _cut(images, *size)
        parts = _run(self._parts(*size)[0], tiles, tiles[0, ..., 0].size)
        parts = [part.reshape(len(tiles), *(part.shape[1:] if part.ndim == 4 else (1, 1, -1))) for part in parts]
        down, across = (side // one for side, one in zip(images.shape[1:3], size, strict=True))
        first, *others = (_join(part, count, down, across) for part in parts)
        return np.concatenate([first, *(spread(part, first.shape[1] // part.shape[1]) for part in others)], axis=-1)

    def reconstruct(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return float32 images in [0, 1], ``(images, height, width, channels)``, of latents that ``encode`` shaped."""
        geometry = self.geometry
        down, across = geometry.units(height, width)
        size, grid = (geometry.unit_height, geometry.unit_width), (geometry.rows, geometry.columns)
        if self.model.takes_any_size:
            size, grid, down, across = (size[0] * down, size[1] * across), latents.shape[1:3], 1, 1
        tiles = _cut(latents, *grid)
        if len(self.model.latent_shape) == 1:
            tiles = tiles.reshape(len(tiles), -1)
        (images,) = _run(self._parts(*size)[1], tiles, size[0] * size[1])
        return _join(images, len(latents), down, across)[:, :height, :width]

    def decode(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return what ``reconstruct`` does, as uint8 in [0, 255], rounded to nearest."""
        return np.rint(np.clip(self.reconstruct(latents, height, width), 0.0, 1.0) * 255.0).astype(np.uint8)

    def _make_parts(self, height: int, width: int):
        encoder = resized(self.model.encoder, (height, width, self.model.channels))
        decoder = self.model.decoder
        if self.model.takes_any_size:
            rows, columns = self.geometry.grid(height, width)
            decoder = resized(decoder, (rows, columns, self.channels))
        return _Part(encoder, self.model.bottleneck, self.coder), _Part(decoder)


class _Part(keras.Model):
    """One half as a compiled function: uint8 images are scaled inside, what comes out is float32."""

    def __init__(self, part, bottleneck=None, coder: str | None = None):
        # A class name with an underscore in front makes no scope that TensorFlow takes.
        super().__init__(name="decode" if bottleneck is None else "encode")
        self.part = part
        self.bottleneck = bottleneck
        self.coder = coder
        self.built = True
        self.compile(jit_compile=worth_compiling())

    def call(self, batch):
        if self.bottleneck is None:
            return keras.ops.cast(self.part(batch), "float32")
        encoded = self.part(keras.ops.cast(batch, "float32") / 255.0)
        # What has a coder is rounded by that, not by the bottleneck.
        latents = self.bottleneck.to_code(encoded) if self.coder else self.bottleneck(encoded)[0]
        return keras.tree.map_structure(lambda one: keras.ops.cast(one, "float32"), latents)


def _tile_geometry(model: Autoencoder) -> Geometry:
    height, width, _ = model.image_shape
    rows, columns = model.latent_shape[:2] if len(model.latent_shape) == 3 else (1, 1)
    return Geometry(height, width, rows, columns, model.channels)


def _any_size_geometry(model: Autoencoder) -> Geometry:
    unit, (height, width, _), (rows, columns) = model.stride, model.image_shape, model.latent_shape[:2]
    if None in (height, width, rows, columns):
        height = width = -(-_PROBED_SIDE // unit) * unit
        shape = (height, width, model.channels)
        encoded = keras.tree.flatten(resized(model.encoder, shape)(keras.Input(shape)))[0]
        rows, columns = encoded.shape[1:3]
    return Geometry(unit, unit, rows * unit // height, columns * unit // width, model.channels)


def _run(part: keras.Model, batch: np.ndarray, pixels: int) -> list[np.ndarray]:
    """Return the outputs of ``part`` for ``batch``, a few at a time; each stands for so many ``pixels``."""
    found = [
        [np.asarray(one)[:count] for one in keras.tree.flatten(part.predict_on_batch(some))]
        for some, count in _batches(batch, pixels)
    ]
    return [np.concatenate(parts) for parts in zip(*found, strict=True)]


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
    if (rows, columns) == (height, width):
        return images
    parts = images.reshape(count, height // rows, rows, width // columns, columns, channels)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(-1, rows, columns, channels)


def _join(tiles: np.ndarray, count: int, down: int, across: int) -> np.ndarray:
    """Undo ``_cut``: tiles ``(images · down · across, rows, columns, channels)``."""
    _, rows, columns, channels = tiles.shape
    parts = tiles.reshape(count, down, across, rows, columns, channels).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(count, down * rows, across * columns, channels)
