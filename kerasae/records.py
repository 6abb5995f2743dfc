"""What is written to disk about a run and its scores: plain frozen data, units in the names."""

from dataclasses import asdict, dataclass, field
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

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON, without the keys that do not apply."""
        return {key: value for key, value in asdict(self).items() if value is not None}

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Score":
        """Return the score that ``as_dict`` wrote."""
        return cls(**plain | {key: Summary(**plain[key]) for key in ("mse", "psnr", "ssim")})


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` says of a run. ``status`` is ``training``, ``stopped``, ``failed`` or ``finished``."""

    name: str
    status: str
    recipe_name: str
    fingerprint: str
    seed: int
    backend: str
    device: str
    versions: dict[str, str]
    data_fingerprint: str
    image_counts: dict[str, int]
    parameters: int
    latent_ratio: float
    objective: str
    epochs_done: int = 0
    best_epoch: int | None = None
    training_seconds: float = 0.0
    images_per_second: float = 0.0
    message: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "RunRecord":
        """Return the record that ``as_dict`` wrote."""
        return cls(**plain)


@dataclass(frozen=True)
class RatePoint:
    """What one codec takes and gives at one quality, over a set of images.

    ``bits_per_pixel`` counts whole files, headers included; ``payload_bits_per_pixel`` the entropy-coded part and
    ``estimated_bits_per_pixel`` the information under the frozen tables, for kerasae's own models. ``psnr`` is the mean
    over images in dB, ``psnr_of_mean_mse`` that of the mean squared error; ``ssim`` scikit-image's default. All on
    decoded 8-bit images, against the clean image where ``sigma`` put noise on the input. Speeds are those of coding in
    memory. ``settings`` is what the codec was told.
    """

    codec: str
    quality: float
    images: int
    bytes_per_image: float
    bits_per_pixel: float
    payload_bits_per_pixel: float | None
    estimated_bits_per_pixel: float | None
    psnr: float
    psnr_of_mean_mse: float
    ssim: float | None
    ms_ssim: float | None
    encode_images_per_second: float
    decode_images_per_second: float
    settings: dict[str, Any]
    sigma: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class BdRate:
    """Difference in rate of ``codec`` at equal ``metric``, in percent of ``against``; negative is better.

    ``overlap`` is the range of the metric that both reach. ``bd_rate_percent`` is None where ``message`` says why.
    """

    codec: str
    against: str
    metric: str
    bd_rate_percent: float | None
    overlap: tuple[float, float] | None
    message: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)
