"""What every way of coding has in common."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from kerasae.errors import CodecError


class Payloads(ABC):
    """Latents ↔ integers ``(images, rows, columns, channels)`` ↔ one payload an image."""

    @abstractmethod
    def quantise(self, latents: np.ndarray) -> np.ndarray:
        """Return what ``Network.encode`` gave as int32; raises ``CodecError`` for no numbers."""

    @abstractmethod
    def dequantise(self, integers: np.ndarray) -> np.ndarray:
        """Return the float32 latents that the decoder is given."""

    @abstractmethod
    def encode(self, integers: np.ndarray) -> list[tuple[bytes, int]]:
        """Return the payload of each image and how many of its symbols were escapes."""

    @abstractmethod
    def decode(self, payloads: Sequence[bytes], rows: int, columns: int) -> np.ndarray:
        """Return the integers of payloads of one size; raises ``CodecError`` for damaged ones."""

    @abstractmethod
    def bits_and_escapes(self, integers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return bits under the tables and number of escapes, ``(images, channels)`` each."""

    def estimated_bits(self, integers: np.ndarray) -> np.ndarray:
        """Return the information in integers ``(images, rows, columns, channels)`` under the tables: ``(images,)``."""
        return self.bits_and_escapes(integers)[0].sum(axis=1)

    def check(self, payloads: Sequence[bytes], integers: np.ndarray) -> None:
        """Raise ``CodecError`` unless each payload is, to the byte, what ``encode`` writes for its integers.

        Nearly every damaged payload decodes to something; this is what tells it from an image.
        """
        for payload, (again, _) in zip(payloads, self.encode(integers), strict=True):
            if again != payload:
                raise CodecError("the payload holds no image that this model could have written; the file is damaged")
