"""Contenders + images → curves and their differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasae.rate_distortion.bd_rate import METRICS, bd_rate
from kerasae.rate_distortion.contender import ClassicalContender, Contender
from kerasae.rate_distortion.measure import measure
from kerasae.records import BdRate, RatePoint


@dataclass(frozen=True)
class Comparison:
    """Points of every codec, and the BD-rates of each model (or, without any, of each codec) against each other."""

    points: list[RatePoint]
    bd_rates: list[BdRate]

    def as_dict(self) -> dict[str, list[dict[str, Any]]]:
        """Return points and differences as dictionaries fit for JSON."""
        return {
            "points": [point.as_dict() for point in self.points],
            "bd_rates": [one.as_dict() for one in self.bd_rates],
        }


def compare(
    contenders: Sequence[Contender],
    images: Sequence[np.ndarray],
    *,
    names: Sequence[str],
    sigma: float = 0.0,
    seed: int = 0,
    with_ms_ssim: bool = False,
    progress: Callable[[int, int, str], None] | None = None,
) -> Comparison:
    """Measure every contender at every quality on ``images``, uint8 ``(height, width, channels)`` each.

    With ``sigma`` the codecs see the images through Gaussian noise, clipped and rounded to 8 bits, that is fixed by
    ``names`` and ``seed``, and are compared with the clean images. ``progress(done, total, what)`` counts points.
    """
    inputs = noisy(images, names, sigma, seed) if sigma else None
    total = sum(len(one.qualities) for one in contenders)
    points: list[RatePoint] = []
    for contender in contenders:
        if not isinstance(contender, ClassicalContender):
            # Compiling is no part of the speed of coding.
            warm = contender.encode(images, contender.qualities[0])
            contender.decode(warm, images[0].shape[-1])
        for quality in contender.qualities:
            if progress:
                progress(len(points), total, f"{contender.name} at {quality:g}")
            points.append(measure(contender, images, quality, inputs=inputs, with_ms_ssim=with_ms_ssim, sigma=sigma))
    curves = [[point for point in points if point.codec == contender.name] for contender in contenders]
    models = [curve for one, curve in zip(contenders, curves, strict=True) if not isinstance(one, ClassicalContender)]
    return Comparison(
        points,
        [
            bd_rate(curve, other, metric)
            for curve in models or curves
            for other in curves
            if other is not curve
            for metric in METRICS
        ],
    )


def noisy(images: Sequence[np.ndarray], names: Sequence[str], sigma: float, seed: int) -> list[np.ndarray]:
    """Return ``images`` under Gaussian noise of ``sigma`` in [0, 1] intensity, uint8, the same for a name and seed."""
    from kerasae.evaluation.fixed_noise import fixed_noise

    seen = []
    for image, name in zip(images, names, strict=True):
        noise = fixed_noise([name], image.shape, seed=seed, purpose="input")[0]
        seen.append(np.rint(np.clip(image / np.float32(255) + np.float32(sigma) * noise, 0, 1) * 255).astype(np.uint8))
    return seen
