"""The numbers of every image behind a score."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class ImageScores:
    """Metrics of each image of a split under one noise, from one run.

    ``names`` has one entry an image; ``mse``, ``psnr`` (dB) and ``ssim`` are float64 ``(images,)``. ``decoded_from`` as
    in ``Score``.
    """

    split: str
    sigma: float
    decoded_from: str
    names: tuple[str, ...]
    mse: np.ndarray
    psnr: np.ndarray
    ssim: np.ndarray
