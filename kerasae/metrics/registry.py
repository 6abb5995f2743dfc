"""What metrics there are, how they are written, and the one PSNR formula in NumPy; loads no Keras.

A new metric is a function of two batches of images and one entry of ``METRICS``: scores, records, JSON and tables go by
this list.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Metric:
    """A metric of image quality, under the key that records and JSON know it by.

    ``label`` and ``unit`` ("" without) head tables and axes; values are written with ``digits`` after the point.
    ``low`` and ``high`` are the ends of its range. ``function`` is ``module:name`` of what takes two batches of images
    to one number an image (see ``kerasae.metrics``); both sides of an image must be at least ``minimum_side`` pixels.
    An evaluation scores every image by it unless ``in_scores`` says otherwise; ``in_rates`` says whether curves of rate
    against distortion have it, where ``package`` is installed.
    """

    name: str
    label: str
    unit: str
    digits: int
    higher_is_better: bool
    low: float
    high: float
    function: str
    minimum_side: int = 1
    in_scores: bool = True
    in_rates: bool = True
    package: str = ""

    @property
    def heading(self) -> str:
        """Label and unit: ``PSNR, dB``."""
        return f"{self.label}, {self.unit}" if self.unit else self.label

    @property
    def difference_digits(self) -> int:
        """The digits of a difference: one more than the metric's own where its scale has no unit."""
        return self.digits if self.unit else self.digits + 1

    def format(self, value: float) -> str:
        """Return ``value`` with the metric's digits, without the unit."""
        return f"{value:.{self.digits}f}"

    def load(self) -> Callable[[Any, Any], Any]:
        """Return the function itself, importing its module."""
        module, name = self.function.split(":")
        return getattr(import_module(module), name)


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("mse", "MSE", "", 5, False, 0.0, math.inf, "kerasae.metrics.pixel:mse", in_rates=False),
        Metric("psnr", "PSNR", "dB", 2, True, -math.inf, math.inf, "kerasae.metrics.pixel:psnr"),
        Metric("ssim", "SSIM", "", 3, True, -1.0, 1.0, "kerasae.metrics.structural_similarity:ssim", 7),
        Metric(
            "ms_ssim", "MS-SSIM", "", 3, True, 0.0, 1.0, "kerasae.metrics.structural_similarity:ms_ssim", 176, False
        ),
        Metric(
            "ssimulacra2",
            "SSIMULACRA 2",
            "",
            1,
            True,
            -math.inf,
            100.0,
            "kerasae.metrics.structural_similarity:ssimulacra2",
            8,
            in_scores=False,
            package="ssimulacra2",
        ),
    )
}


def scored_metrics() -> dict[str, Metric]:
    """Return the metrics that an evaluation scores every image by."""
    return {name: metric for name, metric in METRICS.items() if metric.in_scores}


def rated_metrics() -> dict[str, Metric]:
    """Return the metrics that curves of rate against distortion have, as far as their packages are installed."""
    rated = {name: metric for name, metric in METRICS.items() if metric.in_rates}
    return {name: metric for name, metric in rated.items() if not metric.package or find_spec(metric.package)}


def compared_metrics() -> dict[str, Metric]:
    """Return the metrics by which models and codecs are compared: those of scores that curves have too."""
    return {name: metric for name, metric in scored_metrics().items() if metric.in_rates}


MSE_FLOOR = 1e-10  # 100 dB, far above the 58.9 dB at which 8-bit rounding alone sits


def psnr_of_mse(mean_squared_error) -> np.ndarray:
    """Return 10·log10(1 / mse) in decibels, float64, element by element; at most 100 dB.

    Args:
        mean_squared_error: array or number, not negative, in [0, 1] intensity squared.
    """
    return -10.0 * np.log10(np.maximum(np.asarray(mean_squared_error, "float64"), MSE_FLOOR))
