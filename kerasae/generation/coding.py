"""Images ↔ posteriors as NumPy arrays, a batch at a time."""

import keras
import numpy as np

from kerasae.layers.gaussian_bottleneck import LOG_VARIANCE_RANGE
from kerasae.models import Compressor

_BATCH = 64


def posteriors(model: Compressor, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, variance and KL divergence to N(0, 1) in nats of each latent, each ``(images, latents)`` float64.

    ``images`` is ``(images, height, width, channels)`` uint8.
    """
    parts = []
    for start in range(0, len(images), _BATCH):
        batch = np.asarray(images[start : start + _BATCH]).astype("float32") / 255.0
        # As NumPy arrays they carry no gradients along on PyTorch.
        encoded = [keras.ops.convert_to_numpy(part) for part in model.encoder(batch)]
        parts.append([*encoded, keras.ops.convert_to_numpy(model.bottleneck.rate_per_latent(encoded))])
    mean, log_variance, kl = (np.concatenate(column).astype("float64") for column in zip(*parts, strict=True))
    return mean, np.exp(np.clip(log_variance, *LOG_VARIANCE_RANGE)), kl


def decode(model: Compressor, latents: np.ndarray) -> np.ndarray:
    """Return the images of ``latents`` ``(…, latents)``: ``(…, height, width, channels)`` float32 in [0, 1]."""
    flat = np.asarray(latents, "float32").reshape(-1, latents.shape[-1])
    parts = [
        keras.ops.convert_to_numpy(model.decode(flat[start : start + _BATCH])) for start in range(0, len(flat), _BATCH)
    ]
    return np.concatenate(parts).reshape(*latents.shape[:-1], *model.image_shape)
