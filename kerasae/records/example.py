"""Images as a model saw them, kept to be looked at later."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Example:
    """One image, what the encoder was given, and what came back.

    ``rank`` says why it was chosen: ``best``, ``2nd best``, ``median``, ``next to median``, ``2nd worst``, ``worst``,
    or ``rank 2 of 5`` of few images. The images are uint8 ``(height, width, channels)``; ``given`` is the original
    where ``sigma`` is 0. ``psnr`` (dB) and ``ssim`` are those of the scores, taken before rounding to 8 bits.
    """

    name: str
    rank: str
    split: str
    sigma: float
    decoded_from: str
    psnr: float
    ssim: float
    original: np.ndarray
    given: np.ndarray
    reconstruction: np.ndarray
