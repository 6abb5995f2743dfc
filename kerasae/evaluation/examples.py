"""A few images of an evaluation to look at: the best, the median and the worst."""

from collections.abc import Mapping

import keras
import numpy as np

from kerasae.data import ImageSet
from kerasae.evaluation.scorer import Measured, fixed_noise
from kerasae.models import Autoencoder
from kerasae.records import Example


def reconstruct(
    model: Autoencoder,
    images: ImageSet,
    indexes: np.ndarray,
    *,
    sigma: float = 0.0,
    seed: int = 0,
    sample: bool = False,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return originals, inputs and reconstructions, each ``(images, height, width, channels)`` float32 in [0, 1].

    The noise, and with ``sample`` the draw of the posterior, are those that ``measure`` scored.
    """
    originals = np.asarray(images.images[indexes], "float32") / 255.0
    names = [images.names[index] for index in indexes]
    inputs = originals
    if sigma:
        noise = fixed_noise(names, originals.shape[1:], seed=seed, purpose="input")
        inputs = np.clip(originals + np.float32(sigma) * noise, 0.0, 1.0)
    # As NumPy arrays the encoded images carry no gradients along on PyTorch.
    encoded = keras.tree.map_structure(keras.ops.convert_to_numpy, model.encoder(inputs))
    latents, _ = model.bottleneck(encoded)
    if sample:
        shape = model.latent_shape_for(originals.shape[1:])
        epsilon = fixed_noise(names, shape, seed=seed, purpose="sample")
        latents = model.bottleneck.draw(encoded, epsilon)
    return originals, inputs, keras.ops.convert_to_numpy(model.decode(latents))


def choose_examples(
    model: Autoencoder, images: ImageSet, measured: Mapping[tuple[str, float], Measured], seed: int
) -> list[Example]:
    """Return the best, median and worst images by PSNR, two of each, for every noise and decoding.

    ``measured`` is by (split, sigma), under the noise of ``seed``. They are test images, or where there are none those
    of the validation.
    """
    shown_split = "test" if any(split == "test" for split, _ in measured) else "validation"
    index_of = {name: index for index, name in enumerate(images.names)}
    found = []
    for (split, sigma), numbers in measured.items():
        for decoded_from, metrics in numbers.metrics.items() if split == shown_split else ():
            ranks = ranked(metrics["psnr"])
            names = [numbers.names[index] for index in ranks.values()]
            indexes = np.array([index_of[name] for name in names])
            shown = reconstruct(model, images, indexes, sigma=sigma, seed=seed, sample=decoded_from == "sample")
            for rank, index, *pixels in zip(ranks, ranks.values(), *shown, strict=True):
                values = {name: float(column[index]) for name, column in metrics.items()}
                eight_bit = (np.rint(np.clip(one, 0, 1) * 255).astype("uint8") for one in pixels)
                found.append(Example(numbers.names[index], rank, split, sigma, decoded_from, values, *eight_bit))
    return found


def ranked(psnr: np.ndarray) -> dict[str, int]:
    """Return the indexes of the best, median and worst images, two of each where there are enough."""
    order = np.argsort(-psnr, kind="stable")
    count, middle = len(order), len(order) // 2
    if count < 6:
        return {f"rank {place + 1} of {count}": int(order[place]) for place in range(count)}
    places = {"best": 0, "2nd best": 1, "median": middle, "next to median": middle + 1, "2nd worst": -2, "worst": -1}
    return {name: int(order[place]) for name, place in places.items()}
