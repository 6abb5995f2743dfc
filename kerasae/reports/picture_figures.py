"""Sheets of images, drawn with matplotlib."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.reports.figures import DPI, INK, QUIET, new_figure, save

_GAP, _WIDE_GAP, _MARGIN = 4, 14, 14  # pixels
_LEAST_SIDE = 96
_LINE = 22  # pixels that a line of text takes
_LONGEST_LINE = 24


def labelled_grid(
    path: Path,
    rows: Sequence[Sequence[Any]],
    *,
    title: str,
    note: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    apart: Sequence[int] = (),
) -> None:
    """Write a PNG with one tile per image; every pixel of an image is a square of whole pixels.

    Args:
        path: the file to write.
        rows: per row float images in [0, 1], ``(height, width, 1 or 3)``, or signed changes in [−1, 1],
            ``(height, width)``, drawn from blue over white to red; all of one size, and no row longer than the first.
        title: written above.
        note: written below, wrapped.
        row_labels: written left of each row, lines longer than 24 characters cut in their middle; or empty.
        column_labels: written above each column; or empty.
        apart: indexes of columns with some room between them and the others.
    """
    save(_labelled_figure(rows, title, note, row_labels, column_labels, apart), path)


def _labelled_figure(rows, title, note, row_labels, column_labels, apart):
    height, width = rows[0][0].shape[:2]
    scale = max(1, -(-_LEAST_SIDE // max(height, width)))
    height, width = height * scale, width * scale
    lefts, across = _lefts(len(rows[0]), width, apart)
    down = len(rows) * (height + _GAP) - _GAP
    row_labels = ["\n".join(map(_short, label.split("\n"))) for label in row_labels]
    label_width = math.ceil(_widest(row_labels)) + 16 if row_labels else 0
    lines = _wrapped(note, (across + label_width) // 10)
    above, below = 46 + _LINE * bool(column_labels), 8 + _LINE * len(lines)
    total = (_MARGIN + label_width + across + _MARGIN, above + down + below + _MARGIN // 2)
    figure = new_figure(total[0] / DPI, total[1] / DPI, "")
    figure.set_layout_engine("none")
    _write(figure, total, _MARGIN, 10, title, size=11.5, weight="bold", va="top")
    origin = _MARGIN + label_width
    _place(figure, total, origin, above, _mosaic(rows, lefts, across, down, scale))
    for text, left in zip(column_labels, lefts, strict=bool(column_labels)):
        _write(figure, total, origin + left + width / 2, above - 8, text, ha="center", va="baseline", colour=QUIET)
    for place, text in enumerate(row_labels):
        middle = above + place * (height + _GAP) + height / 2
        _write(figure, total, _MARGIN, middle, text, va="center")
    for place, line in enumerate(lines):
        _write(figure, total, _MARGIN, above + down + 8 + _LINE * place, line, va="top", colour=QUIET)
    return figure


def _lefts(columns, width, apart):
    """Return the left edge of each column and the width of all."""
    lefts, at = [], 0
    for column in range(columns):
        if column:
            at += _WIDE_GAP if {column, column - 1} & set(apart) else _GAP
        lefts.append(at)
        at += width
    return lefts, at


def _mosaic(rows, lefts, across, down, scale):
    mosaic = np.ones((down, across, 3))
    for place, row in enumerate(rows):
        for image, left in zip(row, lefts, strict=False):
            tile = _coloured(np.asarray(image, "float64")).repeat(scale, axis=0).repeat(scale, axis=1)
            top = place * (tile.shape[0] + _GAP)
            mosaic[top : top + tile.shape[0], left : left + tile.shape[1]] = tile
    return mosaic


def _coloured(image):
    if image.ndim == 3:
        return np.clip(image, 0, 1)
    from matplotlib import colormaps

    return colormaps["RdBu_r"]((np.clip(image, -1, 1) + 1) / 2)[..., :3]


def _place(figure, total, left, top, mosaic):
    """Put the mosaic so that one of its pixels is one of the figure's."""
    down, across, _ = mosaic.shape
    box = (left / total[0], 1 - (top + down) / total[1], across / total[0], down / total[1])
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.imshow(mosaic, interpolation="nearest", aspect="auto")


def _write(figure, total, left, top, text, *, size=8.5, colour=INK, weight="normal", ha="left", va="top"):
    figure.text(
        left / total[0], 1 - top / total[1], text, fontsize=size, color=colour, fontweight=weight, ha=ha, va=va,
        linespacing=1.25, parse_math=False,
    )  # fmt: skip


def _widest(labels):
    """Return how many pixels the widest of ``labels`` takes."""
    figure = new_figure(1, 1, "")
    figure.set_layout_engine("none")
    return max(figure.text(0, 0, label, fontsize=8.5, parse_math=False).get_window_extent().width for label in labels)


def _short(line):
    if len(line) <= _LONGEST_LINE:
        return line
    # The end of a file's name tells more than its middle.
    return f"{line[: _LONGEST_LINE // 2 - 1]}…{line[-(_LONGEST_LINE // 2) :]}"


def _wrapped(text, columns):
    import textwrap

    return textwrap.wrap(text, max(20, int(columns)))


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
    save(_reconstruction_figure(originals, inputs, reconstructions, captions, title), path)


def _reconstruction_figure(originals, inputs, reconstructions, captions, title):
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


_SIDE = 128


def crop_sheet(path: Path, rows: Sequence[Sequence[tuple[str, Any]]], title: str) -> None:
    """Write a PNG with a row per picture: the original, then what each codec made of it.

    Args:
        path: the file to write.
        rows: for each picture (caption, uint8 image ``(height, width, 1 or 3)``) pairs, as many in each row; of large
            images the middle is shown, pixels as they are.
        title: written above.
    """
    save(_crop_figure(rows, title), path)


def _crop_figure(rows, title):
    columns = len(rows[0])
    side = 1.55
    figure = new_figure(side * columns + 0.2, (side + 0.42) * len(rows) + 0.4, title)
    figure.get_layout_engine().set(w_pad=0.02, h_pad=0.03, wspace=0.01, hspace=0.01)
    for panels, row in zip(figure.subplots(len(rows), columns, squeeze=False), rows, strict=True):
        for axes, (caption, image) in zip(panels, row, strict=True):
            axes.set_xticks([])
            axes.set_yticks([])
            for spine in axes.spines.values():
                spine.set_visible(False)
            shown = _middle(image)
            shown = shown[..., 0] if shown.shape[-1] == 1 else shown
            axes.imshow(shown, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axes.set_xlabel(caption, fontsize=7.5, color=INK, parse_math=False)
    return figure


def _middle(image):
    height, width = image.shape[:2]
    top, left = max(0, (height - _SIDE) // 2), max(0, (width - _SIDE) // 2)
    return image[top : top + _SIDE, left : left + _SIDE]
