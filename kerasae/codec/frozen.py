"""What is frozen of a model for coding, and the file it is kept in."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from kerasae.codec.container import Packed, completed
from kerasae.codec.hyperprior_coder import HyperpriorCoder
from kerasae.codec.latent_coder import FactorizedCoder, LatentCoder, Quantized
from kerasae.errors import CodecError
from kerasae.files import replacing


@dataclass(frozen=True)
class Geometry:
    """Every ``unit_height`` × ``unit_width`` pixels of an image, padded, become ``rows`` × ``columns`` positions.

    ``channels`` counts the colours of the image, 1 or 3.
    """

    unit_height: int
    unit_width: int
    rows: int
    columns: int
    channels: int

    def units(self, height: int, width: int) -> tuple[int, int]:
        """Return how many units lie below and beside each other in an image of so many pixels."""
        return -(-height // self.unit_height), -(-width // self.unit_width)

    def grid(self, height: int, width: int) -> tuple[int, int]:
        """Return the rows and columns of the latents of an image of so many pixels."""
        down, across = self.units(height, width)
        return down * self.rows, across * self.columns

    def as_tuple(self) -> tuple[int, ...]:
        """Return the five numbers; four where the unit is square, as it always was at first: they are hashed."""
        unit, *others = astuple(self)
        return (unit, *others[1:]) if unit == others[0] else (unit, *others)

    @classmethod
    def from_tuple(cls, numbers: Sequence[int]) -> "Geometry":
        """Return what ``as_tuple`` is of."""
        return cls(*(numbers[:1] if len(numbers) == 4 else ()), *numbers)


# Each kind of bottleneck that exports an entropy model names the coder that freezes it.
CODERS: dict[str, type[LatentCoder]] = {"factorized": FactorizedCoder, "hyperprior": HyperpriorCoder}
# Its name in a run folder.
FILE = "codec.npz"
_FORMAT = 2


@dataclass(frozen=True, eq=False)
class Frozen:
    """The ladder of levels of one model, finest step first; ``default`` is the index that is used unless asked.

    ``weights`` is the hash of the weights that it was frozen for. ``psnr`` holds for each level the mean PSNR in dB of
    8-bit training images, ``bits_per_pixel`` what they cost under the tables, ``unquantized_psnr`` is the PSNR without
    quantisation; ``images`` counts the training images the
    tables come from. ``qualities`` has that of each level, falling to 1, the fewest bits: of a learned codec those it
    was trained for; of other models, which leave them out, whole numbers. ``usual`` is height and width of the training
    images, which files of that size do not say; None where it was frozen by an earlier version.
    """

    levels: tuple[LatentCoder, ...]
    geometry: Geometry
    default: int
    weights: str
    psnr: tuple[float, ...]
    bits_per_pixel: tuple[float, ...]
    unquantized_psnr: float
    images: int
    qualities: tuple[float, ...] = ()
    usual: tuple[int, int] | None = None

    def __post_init__(self):
        if not self.qualities:
            object.__setattr__(self, "qualities", tuple(float(one) for one in range(len(self.levels), 0, -1)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 over weights and all that decides what a file decodes to, 64 hexadecimal digits."""
        about = f"kerasae frozen {_FORMAT} {self.weights} {self.geometry.as_tuple()}"
        hasher = hashlib.sha256(f"{about} {self.usual}".encode() if self.usual else about.encode())
        for arrays in self._all_arrays():
            for name, array in arrays.items():
                hasher.update(f"|{name}{array.shape}|".encode() + np.ascontiguousarray(array).tobytes())
        return hasher.hexdigest()

    @property
    def fingerprint(self) -> bytes:
        """The first 4 bytes of the digest: what a file names its model by."""
        return bytes.fromhex(self.digest[:8])

    def complete(self, packed: Packed) -> Packed:
        """Return what a file says of an image with what this model knows of it, the checksum verified.

        Raises ``CodecError`` where the file is damaged or of another model.
        """
        packed = completed(packed, self.fingerprint, self.usual)
        if packed.channels != self.geometry.channels or packed.step >= len(self.levels):
            raise CodecError(
                f"the file is damaged: level {packed.step} and {packed.channels} channels; the model has levels up to "
                f"{len(self.levels) - 1} and {self.geometry.channels} channels"
            )
        return packed

    @property
    def is_empty(self) -> bool:
        """Whether the model's latents round to one value each, so that its files hold no picture: it has collapsed."""
        positions = self.geometry.rows * self.geometry.columns
        # An image of 128×128 pixels of a model that takes any size has many such units; a collapsed one has none.
        return len(self.levels) == 1 and self.levels[0].entropy(positions) < 0.01

    def ladder(self) -> list[dict[str, int | float | bool]]:
        """Return a row per level, upwards: ``quality``, ``psnr`` in dB, ``bits_per_pixel``, ``default``."""
        columns = zip(self.qualities, self.psnr, self.bits_per_pixel, strict=True)
        rows = [
            {"quality": quality, "psnr": psnr, "bits_per_pixel": bits, "default": place == self.default}
            for place, (quality, psnr, bits) in enumerate(columns)
        ]
        return rows[::-1]

    def whole_qualities(self) -> list[float]:
        """Return the whole ones of the qualities, rising: a curve needs no more."""
        return sorted(quality for quality in self.qualities if quality % 1 == 0)

    def compress(self, latents: np.ndarray, *, step: int | None = None) -> list[bytes]:
        """Return the payload of each image of ``latents``, float ``(images, rows, columns, channels)``.

        The entropy coder alone: no header, no check, no network. ``latents`` are what ``Codec.network.encode`` gives;
        ``step`` is an index into the levels, the default one if None. Raises ``CodecError`` for latents that are not
        finite.
        """
        level = self.levels[self.default if step is None else step]
        return [payload for payload, _ in level.encode(level.quantize(latents))]

    def decompress(self, payloads: Sequence[bytes], shape: tuple[int, int], *, step: int | None = None) -> np.ndarray:
        """Return the float32 latents ``(images, rows, columns, channels)`` that the decoder is given.

        ``shape`` is the rows and columns of what ``compress`` took, ``step`` the same. Raises ``CodecError``
        for payloads that it did not write.
        """
        step = self.default if step is None else step
        return self.levels[step].dequantize(self._decoded(payloads, shape, step))

    def quantized(self, packed: Sequence[Packed]) -> Quantized:
        """Return the quantized latents of images of one size and step.

        Raises ``CodecError`` where a payload is damaged or of another model.
        """
        packed = [self.complete(one) for one in packed]
        first = packed[0]
        shape = self.geometry.grid(first.height, first.width)
        return self._decoded([one.payload for one in packed], shape, first.step)

    def _decoded(self, payloads: Sequence[bytes], shape: tuple[int, int], step: int) -> Quantized:
        level = self.levels[step]
        found = level.decode(payloads, *shape)
        level.check(payloads, found)
        return found

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
            "geometry": self.geometry.as_tuple(),
            "coder": _coder_of(self.levels),
            "default": self.default,
            "weights": self.weights,
            "digest": self.digest,
            "psnr": np.array(self.psnr),
            "bits_per_pixel": np.array(self.bits_per_pixel),
            "unquantised_psnr": self.unquantized_psnr,
            "images": self.images,
            "qualities": np.array(self.qualities),
        }
        if self.usual:
            content["usual"] = np.array(self.usual)
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
            shared = _under(content, "shared/")
            # Files of earlier versions do not name their coder.
            coder = CODERS[str(content.get("coder", "hyperprior" if shared else "factorized"))]
            levels = tuple(
                coder.from_arrays(_under(content, f"{place}/"), shared) for place in range(int(content["count"]))
            )
            frozen = cls(
                levels,
                Geometry.from_tuple(content["geometry"].tolist()),
                int(content["default"]),
                str(content["weights"]),
                tuple(content["psnr"].tolist()),
                tuple(content["bits_per_pixel"].tolist()),
                float(content["unquantised_psnr"]),
                int(content["images"]),
                tuple(content["qualities"].tolist()),
                tuple(content["usual"].tolist()) if "usual" in content else None,
            )
            columns = frozen.psnr, frozen.bits_per_pixel, frozen.qualities
            if not 0 <= frozen.default < len(levels) or {len(one) for one in columns} != {len(levels)}:
                raise ValueError("its numbers do not fit each other")
            digest, said = frozen.digest, str(content["digest"])
        except CodecError:
            raise
        # NumPy and zipfile let nearly every kind of exception out of a damaged file.
        except Exception as error:
            raise CodecError(f"{path} cannot be read ({error}); {again}") from None
        if digest != said:
            raise CodecError(f"{path} is damaged: its hash does not fit its content; {again}")
        return frozen


def weights_digest(weights: list[np.ndarray]) -> str:
    """Return SHA-256 over float32 weights in order, 64 hexadecimal digits; the same on every backend."""
    hasher = hashlib.sha256()
    for array in weights:
        hasher.update(repr(array.shape).encode() + np.ascontiguousarray(array, dtype="<f4").tobytes())
    return hasher.hexdigest()


def _shared_arrays(levels: tuple[LatentCoder, ...]) -> dict[str, np.ndarray]:
    """Return by name what all levels have in common; the first speaks for all."""
    return {f"shared/{name}": array for name, array in levels[0].shared_arrays().items()}


def _coder_of(levels: tuple[LatentCoder, ...]) -> str:
    return next(name for name, coder in CODERS.items() if type(levels[0]) is coder)


def _under(content: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name[len(prefix) :]: array for name, array in content.items() if name.startswith(prefix)}
