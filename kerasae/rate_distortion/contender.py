"""What takes part in a comparison: a format or a trained model, with the qualities to try."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kerasae.codec.codec import Codec
from kerasae.codec.container import pack, unpack
from kerasae.rate_distortion.classical import Classical, Effort


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
