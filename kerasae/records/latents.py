"""What a variational model says with its latents."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LatentRecord:
    """The latents of a variational run over the clean images of a split.

    ``kl_nats`` is the mean KL divergence to N(0, 1) of each latent, in nats per image; ``mean_variance`` the variance
    over images of its posterior mean; a latent above ``active_threshold`` there is active (Burda et al. 2016, 0.01).
    ``log_likelihood_nats`` is the mean over images of log p(image | sample), ``elbo_nats`` that less the KL divergence;
    both per image, of a density over [0, 1] intensities, under the variance that ``likelihood`` says in words.
    """

    split: str
    images: int
    kl_nats: tuple[float, ...]
    mean_variance: tuple[float, ...]
    active_units: int
    active_threshold: float
    log_likelihood_nats: float
    elbo_nats: float
    likelihood: str

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "LatentRecord":
        """Return the record that ``as_dict`` wrote."""
        return cls(**plain | {key: tuple(plain[key]) for key in ("kl_nats", "mean_variance")})
