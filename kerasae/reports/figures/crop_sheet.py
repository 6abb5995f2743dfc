"""The same picture through every codec at about the same number of bytes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasae.reports.figures.style import INK, new_figure, save

_SIDE = 128


def crop_sheet(path: Path, rows: Sequence[Sequence[tuple[str, Any]]], title: str) -> None:
    """Write a PNG with a row per picture: the original, then what each codec made of it.

    Args:
        path: the file to write.
        rows: for each picture (caption, uint8 image ``(height, width, 1 or 3)``) pairs, as many in each row; of large
            images the middle is shown, pixels as they are.
        title: written above.
    """
    save(_figure(rows, title), path)


def _figure(rows, title):
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
