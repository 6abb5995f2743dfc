"""How well one run does on one set of images."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Summary:
    """Mean of a per-image metric, its standard deviation over images, and a 95 % bootstrap interval of the mean."""

    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class Score:
    """How well one run (or ``do nothing``) does on one set of images under one noise.

    ``decoded_from`` is ``latents`` for an autoencoder, ``mean`` or ``sample`` for a variational one, ``input`` where
    nothing was decoded. ``sigma`` is the standard deviation of the noise on the input, in [0, 1] intensity; metrics
    compare with the clean image. ``kl_nats`` is the mean KL divergence per image, ``active_units`` the number of
    latents u with Var_x(E[z_u|x]) > 0.01 (Burda et al. 2016); both only for variational models.
    ``bits_per_pixel`` is the estimate of a learned codec's entropy model, at the quality it has unless asked.
    """

    run: str
    data: str
    split: str
    sigma: float
    decoded_from: str
    count: int
    mse: Summary
    psnr: Summary
    psnr_of_mean_mse: float
    ssim: Summary
    kl_nats: float | None = None
    active_units: int | None = None
    bits_per_pixel: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON, without the keys that do not apply."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Score":
        """Return the score that ``as_dict`` wrote."""
        return cls(**plain | {key: Summary(**plain[key]) for key in ("mse", "psnr", "ssim")})
