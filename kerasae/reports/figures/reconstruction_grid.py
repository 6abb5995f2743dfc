"""Images beside what came back of them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasae.reports.figures.style import INK, QUIET, new_figure, save

AMPLIFICATIONS = (1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 50, 100)


def reconstruction_grid(
    path: Path,
    *,
    originals: np.ndarray,
    inputs: np.ndarray | None,
    reconstructions: np.ndarray,
    captions: Sequence[str],
    title: str,
) -> None:
    """Write a PNG with a column per image: original, input where it was noisy, reconstruction, amplified error.

    Args:
        path: the file to write.
        originals: float in [0, 1], ``(columns, height, width, channels)``, 1 or 3 channels.
        inputs: what the encoder saw, of the same shape, or None where that is the original.
        reconstructions: of the same shape.
        captions: one per column, such as ``"worst\\n19.8 dB, SSIM 0.61"``.
        title: written above.
    """
    save(_figure(originals, inputs, reconstructions, captions, title), path)


def _figure(originals, inputs, reconstructions, captions, title):
    error = np.abs(np.asarray(reconstructions, dtype="float64") - originals).mean(axis=-1)
    factor = _amplification(error)
    rows = [("original", originals)]
    rows += [] if inputs is None else [("noisy input", inputs)]
    rows += [("reconstruction", reconstructions), (f"|error| × {factor}", error[..., None] * factor)]
    count, height, width = error.shape
    # Small images are shown at no less than an inch and a quarter, a row of many at no more than a page's width.
    side = float(np.clip(10.0 / count, 1.25, 2.2))
    lines = max(caption.count("\n") for caption in captions) + 1
    figure = new_figure(side * count + 0.35, side * height / width * len(rows) + 0.45 + 0.17 * lines, title)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.01, hspace=0.01)
    grid = figure.subplots(len(rows), count, squeeze=False)
    for row, (name, images) in zip(grid, rows, strict=True):
        for axes, image in zip(row, images, strict=True):
            _show(axes, image, heat=name.startswith("|"))
        row[0].set_ylabel(name, fontsize=9, color=QUIET)
    for axes, caption in zip(grid[0], captions, strict=True):
        axes.set_title(caption, fontsize=8.5, color=INK, parse_math=False)
    return figure


def _amplification(error):
    """Return the largest factor that keeps 99.5 % of the errors on the scale."""
    top = float(np.quantile(error, 0.995))
    fitting = [factor for factor in AMPLIFICATIONS if factor * top <= 1]
    return fitting[-1] if fitting else 1


def _show(axes, image, *, heat):
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    image = np.clip(np.asarray(image, dtype="float64"), 0, 1)
    if image.shape[-1] == 1:
        image = image[..., 0]
    # Pixels as they are: smoothing would flatter a reconstruction.
    axes.imshow(image, cmap="magma" if heat else "gray", vmin=0, vmax=1, interpolation="nearest")
