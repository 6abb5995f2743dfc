"""What is frozen of a model for coding, and the file it is kept in."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kerasae.codec.container import Packed
from kerasae.codec.hyperprior_coder import HyperpriorCoder
from kerasae.codec.latent_coder import FactorizedCoder
from kerasae.codec.tables import TOTAL
from kerasae.errors import CodecError
from kerasae.files import replacing


@dataclass(frozen=True)
class Geometry:
    """Every ``unit`` × ``unit`` pixels of an image, the last ones padded, become ``rows`` × ``columns`` positions.

    ``channels`` counts the colours of the image, 1 or 3.
    """

    unit: int
    rows: int
    columns: int
    channels: int

    def units(self, height: int, width: int) -> tuple[int, int]:
        """Return how many units lie below and beside each other in an image of so many pixels."""
        return -(-height // self.unit), -(-width // self.unit)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of the latents of an image of so many pixels."""
        down, across = self.units(height, width)
        return down * self.rows, across * self.columns


# Its name in a run folder.
FILE = "codec.npz"
_FORMAT = 2


@dataclass(frozen=True, eq=False)
class Frozen:
    """The ladder of levels of one model, finest step first; ``default`` is the index that is used unless asked.

    ``weights`` is the hash of the weights that it was frozen for. ``psnr`` holds for each level the mean PSNR in dB of
    8-bit training images, ``bits_per_pixel`` what they cost under the tables, ``unquantized_psnr`` is the PSNR without
    quantisation; ``images`` counts the training images the
    tables come from. ``qualities`` are those of a learned codec's levels; other models have none.
    """

    levels: tuple[FactorizedCoder | HyperpriorCoder, ...]
    geometry: Geometry
    default: int
    weights: str
    psnr: tuple[float, ...]
    bits_per_pixel: tuple[float, ...]
    unquantized_psnr: float
    images: int
    qualities: tuple[float, ...] = ()

    @cached_property
    def digest(self) -> str:
        """SHA-256 over weights and all that decides what a file decodes to, 64 hexadecimal digits."""
        hasher = hashlib.sha256(f"kerasae frozen {_FORMAT} {self.weights} {astuple(self.geometry)}".encode())
        for arrays in self._all_arrays():
            for name, array in arrays.items():
                hasher.update(f"|{name}{array.shape}|".encode() + np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()

    @property
    def fingerprint(self) -> bytes:
        """The first 4 bytes of the digest: what a file names its model by."""
        return bytes.fromhex(self.digest[:8])

    @property
    def is_empty(self) -> bool:
        """Whether the model's latents round to one value each, so that its files hold no picture: it has collapsed."""
        positions = self.geometry.rows * self.geometry.columns
        # An image of 128×128 pixels of a model that takes any size has many such units; a collapsed one has none.
        return len(self.levels) == 1 and self.levels[0].entropy(positions) < 0.01

    def size_bytes(self) -> int:
        """Return the bytes of all arrays, as they lie in memory."""
        return sum(array.nbytes for arrays in self._all_arrays() for array in arrays.values())

    def _all_arrays(self) -> list[dict[str, np.ndarray]]:
        return [*(level.arrays() for level in self.levels), _shared_arrays(self.levels)]

    def save(self, path: Path) -> None:
        """Write a ``.npz`` file, atomically."""
        content = {
            "format": _FORMAT,
            "count": len(self.levels),
            "geometry": astuple(self.geometry),
            "default": self.default,
            "weights": self.weights,
            "digest": self.digest,
            "psnr": np.array(self.psnr),
            "bits_per_pixel": np.array(self.bits_per_pixel),
            "unquantised_psnr": self.unquantized_psnr,
            "images": self.images,
            "qualities": np.array(self.qualities),
        }
        for place, level in enumerate(self.levels):
            content |= {f"{place}/{name}": array for name, array in level.arrays().items()}
        content |= _shared_arrays(self.levels)
        buffer = io.BytesIO()
        np.savez_compressed(buffer, **content)
        with replacing(path) as partial:
            partial.write_bytes(buffer.getvalue())

    @classmethod
    def load(cls, path: Path) -> "Frozen":
        """Return what ``save`` wrote. Raises ``CodecError`` where the file is damaged or of another version."""
        again = "freeze the run again with: kerasae freeze RUN --force"
        try:
            with np.load(path, allow_pickle=False) as file:
                content = {name: file[name] for name in file.files}
            if int(content["format"]) != _FORMAT:
                raise CodecError(f"{path} is of format {int(content['format'])}, this kerasae reads {_FORMAT}; {again}")
            levels = tuple(_level_of(content, place) for place in range(int(content["count"])))
            frozen = cls(
                levels,
                Geometry(*content["geometry"].tolist()),
                int(content["default"]),
                str(content["weights"]),
                tuple(content["psnr"].tolist()),
                tuple(content["bits_per_pixel"].tolist()),
                float(content["unquantised_psnr"]),
                int(content["images"]),
                tuple(content["qualities"].tolist()),
            )
        except CodecError:
            raise
        # NumPy and zipfile let nearly every kind of exception out of a damaged file.
        except Exception as error:
            raise CodecError(f"{path} cannot be read ({error}); {again}") from None
        whole = all((level.tables.frequencies.sum(axis=1) == TOTAL).all() for level in levels)
        if not whole or frozen.digest != str(content["digest"]):
            raise CodecError(f"{path} is damaged: its hash does not fit its content; {again}")
        return frozen


def weights_digest(weights: list[np.ndarray]) -> str:
    """Return SHA-256 over float32 weights in order, 64 hexadecimal digits; the same on every backend."""
    hasher = hashlib.sha256()
    for array in weights:
        hasher.update(repr(array.shape).encode() + np.ascontiguousarray(array, dtype="<f4").tobytes())
    return hasher.hexdigest()


def _shared_arrays(levels: tuple[FactorizedCoder | HyperpriorCoder, ...]) -> dict[str, np.ndarray]:
    """Return by name what all levels have in common; the first speaks for all."""
    first = levels[0]
    return {f"shared/{name}": array for name, array in first.shared_arrays().items()}


def _level_of(content: dict[str, np.ndarray], place: int) -> FactorizedCoder | HyperpriorCoder:
    own, shared = (_under(content, f"{prefix}/") for prefix in (place, "shared"))
    return HyperpriorCoder.from_arrays(own, shared) if shared else FactorizedCoder.from_arrays(own)


def _under(content: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in content.items() if name.startswith(prefix)}


def integers_of(packed: Sequence[Packed], frozen: Frozen) -> np.ndarray:
    """Return the quantized latents of images of one size and step, int32 ``(images, rows, columns, channels)``.

    Raises ``CodecError`` where a payload is damaged or of another model.
    """
    for one in packed:
        _refuse_other(one, frozen)
    first = packed[0]
    level = frozen.levels[first.step]
    payloads = [one.payload for one in packed]
    integers = level.decode(payloads, *frozen.geometry.grid(first.height, first.width))
    level.check(payloads, integers)
    return integers


def _refuse_other(packed: Packed, frozen: Frozen) -> None:
    if packed.fingerprint != frozen.fingerprint:
        raise CodecError(
            f"the file was written by the model {packed.fingerprint.hex()}, this one is {frozen.fingerprint.hex()}; "
            "kerasae decompress finds the right run where it is under runs/, --run names it"
        )
    if packed.channels != frozen.geometry.channels or packed.step >= len(frozen.levels):
        raise CodecError(
            f"the file is damaged: step {packed.step} and {packed.channels} channels; the model has steps up to "
            f"{len(frozen.levels) - 1} and {frozen.geometry.channels} channels"
        )
