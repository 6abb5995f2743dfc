"""Places in latent space to look at: plain NumPy, so that every backend decodes the same ones."""

from collections.abc import Sequence

import numpy as np

from kerasae.generation.aggregate import Aggregate


def prior_places(count: int, latents: int, *, seed: int) -> np.ndarray:
    """Return draws of N(0, 1), ``(count, latents)`` float32; the first are the same whatever ``count`` is."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((count, latents), dtype="float32")


def places_between(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Return ``steps`` places on the straight line from ``first`` to ``second``, both included.

    ``first`` and ``second`` are posterior means ``(latents,)``; the result is ``(steps, latents)``.
    """
    share = np.linspace(0.0, 1.0, steps)[:, None]
    return (1.0 - share) * first + share * second


def places_along(start: np.ndarray, aggregate: Aggregate, latent: int, deviations: Sequence[float]) -> np.ndarray:
    """Return ``start`` ``(latents,)`` with one latent at so many standard deviations of the aggregate.

    The result is ``(len(deviations), latents)``.
    """
    places = np.repeat(start[None], len(deviations), axis=0)
    places[:, latent] = aggregate.mean[latent] + np.asarray(deviations) * aggregate.std[latent]
    return places
