"""A few images through a model, to be looked at."""

import keras
import numpy as np

from kerasae.data import ImageSet
from kerasae.evaluation.fixed_noise import fixed_noise
from kerasae.models import Compressor


def reconstruct(
    model: Compressor, images: ImageSet, indexes: np.ndarray, *, sigma: float = 0.0, seed: int = 0, sample: bool = False
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
        epsilon = fixed_noise(names, model.latent_shape, seed=seed, purpose="sample")
        latents = model.bottleneck.draw(encoded, epsilon)
    return originals, inputs, keras.ops.convert_to_numpy(model.decode(latents))
