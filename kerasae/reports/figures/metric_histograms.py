"""How scores spread over images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from kerasae.reports.figures.style import (
    INK,
    PALETTE,
    coloured_line,
    new_figure,
    panel_title,
    quiet,
    round_ticks,
    save,
)

HEADINGS = {"mse": "MSE", "psnr": "PSNR, dB", "ssim": "SSIM"}
DIGITS = {"mse": 5, "psnr": 2, "ssim": 3}


def metric_histograms(per_image: Mapping[str, np.ndarray], path: Path, title: str) -> None:
    """Write a PNG with a histogram per metric; mean, median and one standard deviation are drawn and written.

    Args:
        per_image: ``mse``, ``psnr`` (dB) and ``ssim``, each ``(count,)``, one finite number per image.
        path: the file to write.
        title: written above.
    """
    save(_figure(per_image, title), path)


def _figure(per_image, title):
    metrics = [metric for metric in HEADINGS if metric in per_image]
    count = len(per_image[metrics[0]])
    figure = new_figure(3.3 * len(metrics) + 0.2, 3.1, f"{title}, {count:,} image{'s' * (count != 1)}")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        _draw(axes, metric, np.asarray(per_image[metric], dtype="float64"))
    return figure


def _draw(axes, metric, values):
    mean, median, std = values.mean(), np.median(values), values.std(ddof=min(1, len(values) - 1))
    low, high = values.min(), values.max()
    if high - low < 1e-9:  # all the same: a bin with some width to be seen
        low, high = low - 0.5 * 10.0 ** -DIGITS[metric], high + 0.5 * 10.0 ** -DIGITS[metric]
    bins = int(np.clip(2 * np.cbrt(values.size), 5, 60))
    axes.axvspan(mean - std, mean + std, color=PALETTE[0], alpha=0.09, linewidth=0)
    axes.hist(values, bins=bins, range=(low, high), color=PALETTE[4], edgecolor="white", linewidth=0.3)
    axes.axvline(mean, color=INK, linewidth=1.4)
    axes.axvline(median, color=PALETTE[1], linewidth=1.4, linestyle=(0, (4, 2)))
    axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.04)
    panel_title(axes, f"{HEADINGS[metric]}\n")
    quiet(axes)
    round_ticks(axes.xaxis, 4)
    round_ticks(axes.yaxis, 4, integer=True)
    digits = DIGITS[metric]
    coloured_line(
        axes,
        [
            (f"mean {mean:.{digits}f}", INK),
            (f"median {median:.{digits}f}", PALETTE[1]),
            (f"std {std:.{digits}f}", PALETTE[0]),
        ],
    )
