"""Images of any size ↔ latents: what every form of a network shares, and that of ONNX Runtime, which needs no Keras."""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import numpy as np

from kerasae.codec.frozen import Geometry
from kerasae.codec.integer_network import in_parts, spread
from kerasae.errors import CodecError

# What goes through the network at once: 64 thumbnails of 128×128, or one photograph.
_PIXELS_AT_ONCE = 64 * 128 * 128
# A larger image goes through in squares of about this many pixels a side, where it is known how far they must overlap.
_SIDE_OF_A_SQUARE = 1024
# One half of a network: a batch to its outputs.
Half = Callable[[np.ndarray], list[np.ndarray]]


class Network(ABC):
    """Both halves of an autoencoder for images of any size.

    A model that takes any size gets the image padded at the right and below, by repeating its edge, to a multiple of
    the stride. Any other gets it padded to a multiple of its own size and cut into tiles of that size; their latents
    lie side by side as the tiles do. Either way latents are ``(images, rows, columns, channels)``; what a bottleneck
    exports besides on a coarser grid, such as hyper-latents, lies over blocks of positions in further channels.

    ``channels`` counts those of the latents, ``is_flat`` says that the model's own have no rows and columns; ``coder``
    names the latent coder that freezes what the bottleneck exports, None where it exports nothing.
    """

    name: str
    coder: str | None
    channels: int
    is_flat: bool
    takes_any_size: bool
    geometry: Geometry
    # Batches are filled up to one of these sizes where shapes have to be compiled.
    batches: tuple[int, ...] = ()
    # How far encoder and decoder see from where they are, in pixels and in positions of latents; None: not known.
    reach: tuple[int, int] | None = None

    @abstractmethod
    def encoder(self, height: int, width: int) -> Half:
        """Return the half that takes uint8 images of one size, ``(batch, height, width, channels)``."""

    @abstractmethod
    def decoder(self, height: int, width: int) -> Half:
        """Return the half that gives float32 images of that size."""

    def encode(self, images: np.ndarray) -> np.ndarray:
        """Return float32 latents ``(images, rows, columns, channels)`` of uint8 images."""
        tiles, down, across = self.tiled(images)
        parts = self._run(self.encoder(*tiles.shape[1:3]), tiles, 1, self.reach and self.reach[0])
        parts = [part.reshape(len(tiles), *(part.shape[1:] if part.ndim == 4 else (1, 1, -1))) for part in parts]
        first, *others = (join(part, len(images), down, across) for part in parts)
        return np.concatenate([first, *(spread(part, first.shape[1] // part.shape[1]) for part in others)], axis=-1)

    def tiled(self, images: np.ndarray) -> tuple[np.ndarray, int, int]:
        """Return padded images in tiles that the model takes, and how many lie below and beside each other."""
        (_, height, width, _), unit = images.shape, (self.geometry.unit_height, self.geometry.unit_width)
        if height % unit[0] or width % unit[1]:
            images = np.pad(images, ((0, 0), (0, -height % unit[0]), (0, -width % unit[1]), (0, 0)), mode="edge")
        size = images.shape[1:3] if self.takes_any_size else unit
        return cut(images, *size), images.shape[1] // size[0], images.shape[2] // size[1]

    def reconstruct(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return float32 images in [0, 1], ``(images, height, width, channels)``, of latents that ``encode`` shaped."""
        return self._decoded(latents, height, width, lambda images: images)

    def decode(self, latents: np.ndarray, height: int, width: int) -> np.ndarray:
        """Return what ``reconstruct`` does, as uint8 in [0, 255], rounded to nearest."""
        return self._decoded(latents, height, width, _as_bytes)

    def _decoded(self, latents: np.ndarray, height: int, width: int, finish: Callable) -> np.ndarray:
        geometry = self.geometry
        down, across = geometry.units(height, width)
        size, grid = (geometry.unit_height, geometry.unit_width), (geometry.rows, geometry.columns)
        if self.takes_any_size:
            size, grid, down, across = (size[0] * down, size[1] * across), latents.shape[1:3], 1, 1
        tiles = cut(latents, *grid)
        if self.is_flat:
            tiles = tiles.reshape(len(tiles), -1)
        stride = geometry.unit_height // geometry.rows
        decoder = self.decoder(*size)
        # Finished part by part: a large image is not held in floats.
        (images,) = self._run(
            lambda part: [finish(one) for one in decoder(part)], tiles, stride, self.reach and self.reach[1]
        )
        return join(images, len(latents), down, across)[:, :height, :width]

    def _run(self, half: Half, batch: np.ndarray, stride: int, reach: int | None) -> list[np.ndarray]:
        """Return the outputs of ``half`` for ``batch``, a few at a time, or a large one in parts.

        Each row of it stands for ``stride`` rows of pixels; ``reach`` is how far it sees.
        """
        pixels = batch[0, ..., 0].size * stride**2
        if reach is not None and pixels > _SIDE_OF_A_SQUARE**2:
            unit = max(1, self.geometry.unit_height // stride)
            side, halo = (-(-length // unit) * unit for length in (_SIDE_OF_A_SQUARE // stride, reach))
            found = [in_parts(half, one[None], side=side, halo=halo) for one in batch]
        else:
            found = [[one[:count] for one in half(some)] for some, count in self.in_batches(batch, pixels)]
        # One large image is not copied.
        return [np.concatenate(parts) if len(parts) > 1 else parts[0] for parts in zip(*found, strict=True)]

    def in_batches(self, batch: np.ndarray, pixels: int) -> Iterator[tuple[np.ndarray, int]]:
        """Yield parts of ``batch``, each perhaps filled up with its first image, and how many of it count."""
        most = max(1, _PIXELS_AT_ONCE // pixels)
        most = max((size for size in self.batches if size <= most), default=most)
        for start in range(0, len(batch), most):
            part = batch[start : start + most]
            size = min((size for size in self.batches if size >= len(part)), default=len(part))
            filled = np.concatenate([part, np.repeat(part[:1], size - len(part), axis=0)]) if len(part) < size else part
            yield filled, len(part)


def _as_bytes(images: np.ndarray) -> np.ndarray:
    return np.rint(np.clip(images, 0.0, 1.0) * 255.0).astype(np.uint8)


def cut(images: np.ndarray, rows: int, columns: int) -> np.ndarray:
    """Return tiles ``(images · tiles, rows, columns, channels)`` of ``(images, height, width, channels)``."""
    count, height, width, channels = images.shape
    if (rows, columns) == (height, width):
        return images
    parts = images.reshape(count, height // rows, rows, width // columns, columns, channels)
    return parts.transpose(0, 1, 3, 2, 4, 5).reshape(-1, rows, columns, channels)


def join(tiles: np.ndarray, count: int, down: int, across: int) -> np.ndarray:
    """Undo ``cut``: tiles ``(images · down · across, rows, columns, channels)``."""
    _, rows, columns, channels = tiles.shape
    parts = tiles.reshape(count, down, across, rows, columns, channels).transpose(0, 1, 3, 2, 4, 5)
    return parts.reshape(count, down * rows, across * columns, channels)


ENCODER, DECODER = "encoder.onnx", "decoder.onnx"


class OnnxNetwork(Network):
    """Both halves as ONNX graphs, run by ONNX Runtime on the CPU: ready in a few hundredths of a second.

    ``encoder`` and ``decoder`` are what ``onnx_graph`` wrote.
    """

    def __init__(self, encoder: bytes, decoder: bytes):
        self._files = encoder, decoder
        about = self.about = json.loads(self._decoder.get_modelmeta().custom_metadata_map["kerasae"])
        self.name, self.coder, self.channels = about["name"], about["coder"], about["channels"]
        self.is_flat, self.takes_any_size = about["is_flat"], about["takes_any_size"]
        self.geometry = Geometry.from_tuple(about["geometry"])
        self.reach = tuple(about["reach"]) if about["reach"] else None

    @classmethod
    def load(cls, folder: Path, weights: str, model: Path) -> "OnnxNetwork | None":
        """Return the network of a folder; None where there is none of these ``weights`` and this file of the model."""
        paths = folder / ENCODER, folder / DECODER
        if not all(path.is_file() for path in paths):
            return None
        network = cls(*(path.read_bytes() for path in paths))
        is_same = network.about["weights"] == weights and network.about["model"] == digest_of(model)
        return network if is_same else None

    @cached_property
    def _encoder(self):
        return _session(self._files[0])

    @cached_property
    def _decoder(self):
        return _session(self._files[1])

    def encoder(self, height: int, width: int) -> Half:
        """Return the encoder, which takes every size."""
        return lambda images: self._encoder.run(None, {"images": images})

    def decoder(self, height: int, width: int) -> Half:
        """Return the decoder, which takes every size."""
        return lambda latents: self._decoder.run(None, {"latents": np.ascontiguousarray(latents, np.float32)})


def digest_of(path: Path) -> str | None:
    """Return SHA-256 of a file, in hexadecimal digits; None where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _session(file: bytes):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    # Sizes differ from call to call: a plan made for the last is of no use.
    options.enable_mem_pattern = False
    options.enable_cpu_mem_arena = False
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    # ONNX Runtime lets nearly every kind of exception out of a damaged file.
    except Exception as error:
        raise CodecError(
            f"{ENCODER} or {DECODER} cannot be read ({str(error).splitlines()[0]}); freeze the run again with: "
            "kerasae freeze RUN --force"
        ) from None
