"""Which training images a model is frozen from, and how well it shows them."""

import numpy as np

from kerasae.codec.network import Network
from kerasae.codec.payloads import Payloads

# Beyond these, more training images would not change a table that matters.
_MOST_LATENTS = 2**24
_MOST_IMAGES = 8192


def training_sample(network: Network, images: np.ndarray, indexes: np.ndarray) -> np.ndarray:
    """Return uint8 training images, of many as many as are needed, shuffled: parts of them stand for the whole."""
    rows, columns = network.geometry.grid(*images.shape[1:3])
    most = max(2, min(_MOST_IMAGES, _MOST_LATENTS // (rows * columns * network.channels)))
    order = np.random.default_rng(0).permutation(len(indexes))[:most]
    # Read in the order they lie in, which a memory map is fast at.
    ordered = np.sort(indexes[order])
    return np.asarray(images[ordered])[np.argsort(np.argsort(indexes[order]))]


def encoded(network: Network, images: np.ndarray) -> np.ndarray:
    """Return what ``network.encode`` gives of many images, a part of them at a time."""
    return np.concatenate([network.encode(images[start : start + 256]) for start in range(0, len(images), 256)])


def rate_and_errors(
    network: Network, level: Payloads, latents: np.ndarray, originals: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the mean bits per pixel of ``latents`` under the tables of ``level``, and ``squared_errors`` decoded."""
    integers = level.quantise(latents)
    bits = float(level.estimated_bits(integers).mean() / originals[0, ..., 0].size)
    return bits, squared_errors(network, level.dequantise(integers), originals)


def squared_errors(network: Network, latents: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each 8-bit reconstruction, in [0, 1] intensity, ``(images,)``."""
    errors = []
    for start in range(0, len(latents), 64):
        decoded = network.decode(latents[start : start + 64], *originals.shape[1:3])
        difference = decoded.astype(np.float64) - originals[start : start + 64]
        errors.append((difference**2).mean(axis=(1, 2, 3)) / 255**2)
    return np.concatenate(errors)


def mean_psnr(squared_errors: np.ndarray) -> float:
    """Return the mean of the images' PSNR in dB."""
    return float((-10 * np.log10(np.maximum(squared_errors, 1e-10))).mean())
