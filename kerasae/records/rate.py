"""What codecs take and give."""

from dataclasses import asdict, dataclass
from typing import Any


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
