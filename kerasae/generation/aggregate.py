"""What the posteriors of many images have in common."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Aggregate:
    """The aggregate posterior, latent by latent: the mixture of the posteriors of ``images`` images.

    ``mean`` and ``std`` are those of the mixture, ``kl_nats`` the mean KL divergence to N(0, 1), ``mean_variance`` the
    variance over images of the posterior mean; each ``(latents,)`` float64.
    """

    images: int
    mean: np.ndarray
    std: np.ndarray
    kl_nats: np.ndarray
    mean_variance: np.ndarray

    @classmethod
    def of(cls, mean: np.ndarray, variance: np.ndarray, kl: np.ndarray) -> "Aggregate":
        """Return the aggregate of posteriors, each argument ``(images, latents)``."""
        spread = mean.var(axis=0)
        # Law of total variance: between the images' means, and within each image's posterior.
        return cls(len(mean), mean.mean(axis=0), np.sqrt(spread + variance.mean(axis=0)), kl.mean(axis=0), spread)

    def most_active(self, count: int) -> np.ndarray:
        """Return the indexes of the ``count`` latents with the largest KL divergence, the largest first."""
        return np.argsort(-self.kl_nats, kind="stable")[:count]
