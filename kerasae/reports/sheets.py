"""Sheets of images as PNG files, drawn with matplotlib; every pixel of an image is a square of whole pixels."""

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.records import Example
from kerasae.reports.figures import DPI, INK, QUIET, new_figure, write
from kerasae.reports.pictures import amplification, error_of, heat_levels, heat_palette, tiles_of
from kerasae.reports.wording import quality

_GAP, _WIDE_GAP, _MARGIN = 4, 14, 14  # pixels
_LINE = 22  # pixels that a line of text takes
_LONGEST_LINE = 24
_CROP = 128


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
    """Write a PNG with one tile per image.

    Args:
        path: the file to write.
        rows: per row float images in [0, 1], ``(height, width, 1 or 3)``, or signed changes in [−1, 1],
            ``(height, width)``, drawn from blue over white to red; no row longer than the first.
        title: written above.
        note: written below, wrapped.
        row_labels: written left of each row, lines longer than 24 characters cut in their middle; or empty.
        column_labels: written above each column; or empty.
        apart: indexes of columns with some room between them and the others.
    """
    rows = [[_change(image) if np.ndim(image) == 2 else _coloured(np.asarray(image)) for image in row] for row in rows]
    labels = ["\n".join(map(_short, label.split("\n"))) for label in row_labels]
    write(sheet(rows, title, note=note, row_labels=labels, column_labels=column_labels, apart=apart), path)


def reconstruction_grid(path: Path, examples: Sequence[Example], title: str) -> None:
    """Write a PNG with a column per example: original, input where it was noisy, reconstruction, amplified error."""
    factor = amplification([error_of(example) for example in examples])
    columns = [tiles_of(example, factor) for example in examples]
    rows = [[_coloured(tile.image) for tile in row] for row in zip(*columns, strict=True)]
    captions = [f"{one.rank}\n{quality(one.metrics)}".replace(", ", "\n") for one in examples]
    names = [tile.heading for tile in columns[0]]
    write(sheet(rows, title, row_labels=names, column_labels=captions, least_side=160), path)


def crop_sheet(path: Path, rows: Sequence[Sequence[tuple[str, Any]]], title: str) -> None:
    """Write a PNG with a row per picture: the original, then what each codec made of it.

    Args:
        path: the file to write.
        rows: for each picture (caption, uint8 image ``(height, width, 1 or 3)``) pairs, as many in each row; of large
            images the middle is shown.
        title: written above.
    """
    images = [[_coloured(_middle(image)) for _, image in row] for row in rows]
    captions = [[caption for caption, _ in row] for row in rows]
    write(sheet(images, title, captions=captions, least_side=240), path)


def sheet(
    rows: Sequence[Sequence[np.ndarray]],
    title: str,
    *,
    note: str = "",
    row_labels: Sequence[str] = (),
    column_labels: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    apart: Sequence[int] = (),
    least_side: int = 96,
) -> Any:
    """Return a matplotlib figure of ``rows`` of images, float ``(height, width, 3)`` in [0, 1].

    Images are enlarged by a whole number, so that a side has ``least_side`` pixels or more. ``captions`` stand beneath
    each image; all else is as of ``labelled_grid``.
    """
    height, width = (max(image.shape[side] for row in rows for image in row) for side in (0, 1))
    scale = max(1, -(-least_side // max(height, width)))
    height, width = height * scale, width * scale
    lefts = _lefts(len(rows[0]), width, apart)
    beneath = _LINE * _most_lines([caption for row in captions for caption in row])
    pitch = height + beneath + _GAP * (3 if beneath else 1)
    across, down = lefts[-1] + width, len(rows) * pitch - _GAP
    origin = _MARGIN + (math.ceil(_widest(row_labels)) + 16 if row_labels else 0)
    lines = textwrap.wrap(note, max(20, (origin + across) // 10))
    above, below = 46 + _LINE * _most_lines(column_labels), 8 + _LINE * len(lines)
    whole = max(origin + across, _MARGIN + math.ceil(_widest([title], 11.5, "bold"))) + _MARGIN
    total = (whole, above + down + below + _MARGIN // 2)
    figure = new_figure(total[0] / DPI, total[1] / DPI, "")
    figure.set_layout_engine("none")
    _write(figure, total, _MARGIN, 10, title, size=11.5, weight="bold")
    _place(figure, total, origin, above, _mosaic(rows, lefts, pitch, (down, across), scale))
    for text, left in zip(column_labels, lefts, strict=bool(column_labels)):
        _write(figure, total, origin + left + width / 2, above - 8, text, ha="center", va="bottom", colour=QUIET)
    for place, text in enumerate(row_labels):
        _write(figure, total, _MARGIN, above + place * pitch + height / 2, text, va="center")
    for place, row in enumerate(captions):
        for text, left in zip(row, lefts, strict=False):
            top = above + place * pitch + height + 6
            _write(figure, total, origin + left + width / 2, top, text, size=7.5, ha="center")
    for place, line in enumerate(lines):
        _write(figure, total, _MARGIN, above + down + 8 + _LINE * place, line, colour=QUIET)
    return figure


def _lefts(columns: int, width: int, apart: Sequence[int]) -> list[int]:
    """Return the left edge of each column."""
    lefts = [0]
    for column in range(1, columns):
        gap = _WIDE_GAP if {column, column - 1} & set(apart) else _GAP
        lefts.append(lefts[-1] + width + gap)
    return lefts


def _mosaic(rows, lefts, pitch: int, size: tuple[int, int], scale: int) -> np.ndarray:
    mosaic = np.ones((*size, 3))
    for place, row in enumerate(rows):
        for image, left in zip(row, lefts, strict=False):
            tile = image.repeat(scale, axis=0).repeat(scale, axis=1)
            mosaic[place * pitch : place * pitch + tile.shape[0], left : left + tile.shape[1]] = tile
    return mosaic


def _change(image: np.ndarray) -> np.ndarray:
    from matplotlib import colormaps

    return colormaps["RdBu_r"]((np.clip(image, -1, 1) + 1) / 2)[..., :3]


def _coloured(image: np.ndarray) -> np.ndarray:
    """Return the image of a ``Tile``, or a float one, as float RGB in [0, 1]."""
    if image.dtype == np.uint8:
        image = image / 255.0
    if image.ndim == 3:
        return np.clip(np.broadcast_to(image, (*image.shape[:2], 3)), 0, 1)
    return heat_palette()[heat_levels(image)] / 255.0


def _middle(image: np.ndarray) -> np.ndarray:
    top, left = (max(0, (length - _CROP) // 2) for length in image.shape[:2])
    return image[top : top + _CROP, left : left + _CROP]


def _place(figure: Any, total: tuple[int, int], left: int, top: int, mosaic: np.ndarray) -> None:
    """Put the mosaic so that one of its pixels is one of the figure's."""
    down, across, _ = mosaic.shape
    box = (left / total[0], 1 - (top + down) / total[1], across / total[0], down / total[1])
    axes = figure.add_axes(box)
    axes.set_axis_off()
    axes.imshow(mosaic, interpolation="nearest", aspect="auto")


def _write(figure, total, left, top, text, *, size=8.5, colour=INK, weight="normal", ha="left", va="top") -> None:
    figure.text(
        left / total[0], 1 - top / total[1], text, fontsize=size, color=colour, fontweight=weight, ha=ha, va=va,
        linespacing=1.25, parse_math=False,
    )  # fmt: skip


def _widest(labels: Sequence[str], size: float = 8.5, weight: str = "normal") -> float:
    """Return how many pixels the widest of ``labels`` takes."""
    figure = new_figure(1, 1, "")
    figure.set_layout_engine("none")
    more = {"fontsize": size, "fontweight": weight, "parse_math": False}
    return max(figure.text(0, 0, label, **more).get_window_extent().width for label in labels)


def _most_lines(labels: Sequence[str]) -> int:
    return max((label.count("\n") + 1 for label in labels), default=0)


def _short(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    # The end of a file's name tells more than its middle.
    return f"{line[: _LONGEST_LINE // 2 - 1]}…{line[-(_LONGEST_LINE // 2) :]}"
