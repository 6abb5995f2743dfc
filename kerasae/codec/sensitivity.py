"""How much each latent channel moves the picture."""

import numpy as np

from kerasae.codec.network import Network

# What a channel is moved by, in its own standard deviations: small enough to stay on the slope it is on, large enough
# to cross the kinks of a ReLU as quantisation does.
_MOVE = 0.25


def sensitivity(network: Network, latents: np.ndarray, height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Return ``(channels,)``: by what factor noise on a channel comes out as noise on the image.

    The squared error, summed over the pixels of an image, per squared error of the latents, summed over the positions;
    its root. Measured by moving one channel at a time of ``latents`` ``(images, rows, columns, channels)`` by uniform
    noise. A channel that moves nothing has 0.
    """
    random = np.random.default_rng(seed)
    before = network.reconstruct(latents, height, width)
    factors = np.zeros(latents.shape[-1])
    for channel in range(latents.shape[-1]):
        noise = (random.random(latents.shape[:-1]) - 0.5) * (12**0.5 * _MOVE * latents[..., channel].std())
        if not noise.any():
            continue
        moved = latents.copy()
        moved[..., channel] += noise
        # What float32 made of the sum, not what was asked for.
        into = float(((moved - latents).astype(np.float64) ** 2).sum())
        out = float(((network.reconstruct(moved, height, width) - before).astype(np.float64) ** 2).sum())
        factors[channel] = (out / into) ** 0.5 if into else 0.0
    return factors
