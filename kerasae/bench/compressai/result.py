"""What CompressAI reached in the time it had."""

import json
from dataclasses import dataclass, fields
from pathlib import Path

from kerasae.errors import BackendError


@dataclass(frozen=True)
class CompressaiResult:
    """``FactorizedPrior(64, 96)`` of CompressAI, trained at one ``lmbda``, on test images.

    ``lmbda`` weighs ``255² · MSE`` against bits per pixel. ``training_seconds`` is wall time on ``threads`` threads,
    in which ``training_steps`` were done. ``bits_per_pixel`` counts the entropy-coded strings, without any header;
    ``estimated_bits_per_pixel`` the information under the trained density. ``psnr`` is the mean over images in dB,
    ``psnr_of_mean_mse`` that of the mean squared error, both of decoded 8-bit images. Speeds are in images per second:
    from uint8 images in memory to strings and back, 64 images a call or one.
    """

    lmbda: float
    threads: int
    seed: int
    learning_rate: float
    training_seconds: float
    training_steps: int
    training_images_per_second: float
    parameters: int
    test_images: int
    bits_per_pixel: float
    estimated_bits_per_pixel: float
    psnr: float
    psnr_of_mean_mse: float
    encode_images_per_second: float
    decode_images_per_second: float
    encode_images_per_second_single: float
    decode_images_per_second_single: float
    versions: dict[str, str]


def read_result(path: Path) -> CompressaiResult:
    """Read what the worker wrote; raises ``BackendError`` where that is not a whole result."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendError(f"CompressAI's worker left no readable result ({error}); run it again") from None
    wanted = {field.name for field in fields(CompressaiResult)}
    found = set(plain) if isinstance(plain, dict) else set()
    if found != wanted:
        raise BackendError(
            f"CompressAI's worker left a result with {', '.join(sorted(wanted - found)) or 'nothing'} missing and "
            f"{', '.join(sorted(found - wanted)) or 'nothing'} unknown; it is of another version of kerasae"
        )
    return CompressaiResult(**plain)
