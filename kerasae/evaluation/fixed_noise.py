"""Noise that belongs to an image, not to a run of the program."""

import hashlib
from collections.abc import Sequence

import numpy as np


def fixed_noise(names: Sequence[str], shape: tuple[int, ...], *, seed: int, purpose: str) -> np.ndarray:
    """Return standard normal numbers for each named image: ``(len(names), *shape)`` float32.

    They depend on the image's name, ``seed`` and ``purpose`` alone: the same for every model, backend, batch size and
    sigma, so that differences between models are differences between models.
    """
    drawn = np.empty((len(names), *shape), "float32")
    for place, name in enumerate(names):
        digest = hashlib.blake2b(f"{purpose}/{name}".encode(), digest_size=8).digest()
        generator = np.random.Generator(np.random.PCG64([seed, int.from_bytes(digest, "little")]))
        generator.standard_normal(shape, dtype="float32", out=drawn[place])
    return drawn
