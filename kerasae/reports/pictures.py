"""Pictures of examples, and how they are stored inside the page."""

import base64
import io
import math
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup, escape

from kerasae.records import Example
from kerasae.reports.figures import DPI, INK, QUIET, new_figure, write
from kerasae.reports.svg import element
from kerasae.reports.wording import quality

AMPLIFICATIONS = (1, 2, 3, 4, 5, 8, 10, 15, 20, 30, 50, 100)
# From dark to light in even steps of lightness, so that it reads without colour as well. Of kerasae's own mixing.
_HEAT = np.array([(14, 10, 40), (88, 30, 118), (196, 62, 92), (246, 146, 66), (253, 246, 200)], dtype="float64")
HEAT_LEVELS = 16  # few enough for four bits a pixel
LONGEST_SIDE = 160
SIDE = 32  # of the region that is shown enlarged


@dataclass(frozen=True, eq=False)
class Tile:
    """One image: uint8 ``(height, width, channels)`` as it is, or float ``(height, width)`` in [0, 1] as heat.

    ``heading`` says what it is to the example, ``alt`` all of it.
    """

    image: np.ndarray
    heading: str
    alt: str

    @cached_property
    def uri(self) -> str:
        """The image as a data URI, shrunk to sides of ``LONGEST_SIDE`` at most."""
        return png_uri(self.image)


def tiles_of(example: Example, factor: int) -> list[Tile]:
    """Return the original, the input where it was noisy, the reconstruction and its error ``factor`` times."""
    name = f"{example.name}, {example.rank}"
    error = error_of(example)
    given = [Tile(example.given, "as given", f"{name}: with noise of σ {example.sigma:g}, as given")]
    mean = f"mean {error.mean() * 255:.1f} of 255"
    return [
        Tile(example.original, "original", f"{name}: original"),
        *(given if example.sigma else []),
        Tile(example.reconstruction, "reconstruction", f"{name}: reconstruction, {quality(example.metrics)}"),
        Tile(np.clip(error * factor, 0, 1), f"error × {factor}", f"{name}: absolute error, {factor} times, {mean}"),
    ]


def zoom_of(example: Example) -> tuple[str, list[Tile]]:
    """Return the tiles without the error at the region that came back worst, and where that is."""
    rows, columns = worst_region(example.original, example.reconstruction)
    where = f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1} of {example.name}"
    tiles = tiles_of(example, 1)[:-1]
    parts = [np.ascontiguousarray(tile.image[rows, columns]) for tile in tiles]
    return where, [
        Tile(part, tile.heading, f"{where}: {tile.heading}") for part, tile in zip(parts, tiles, strict=True)
    ]


def error_of(example: Example) -> np.ndarray:
    """Return the absolute error ``(height, width)`` in [0, 1], mean over channels."""
    difference = example.reconstruction.astype("float64") - example.original.astype("float64")
    return np.abs(difference).mean(axis=-1) / 255


def amplification(errors: Sequence[np.ndarray]) -> int:
    """Return the largest factor that keeps 99.5 % of ``errors``, in [0, 1], on the scale."""
    top = float(np.quantile(np.concatenate([error.ravel() for error in errors]), 0.995))
    fitting = [factor for factor in AMPLIFICATIONS if factor * top <= 1]
    return fitting[-1] if fitting else 1


def worst_region(original: np.ndarray, reconstruction: np.ndarray, side: int = SIDE) -> tuple[slice, slice]:
    """Return the rows and columns of the square of ``side`` pixels with the largest mean squared error.

    Images are ``(height, width, channels)``; a smaller one is returned whole. Of equal squares the first in reading
    order is taken.
    """
    squared = np.square(original.astype("float64") - reconstruction.astype("float64")).mean(axis=-1)
    height, width = (min(side, length) for length in squared.shape)
    sums = np.pad(squared.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    boxes = sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]
    # Differences of long sums: what is equal may differ in the last digits.
    row, column = np.argwhere(boxes >= boxes.max() - 1e-6)[0]
    return slice(int(row), int(row) + height), slice(int(column), int(column) + width)


def heat_levels(amounts: np.ndarray) -> np.ndarray:
    """Return the index of the colour of each of ``amounts``, in [0, 1]: uint8, below ``HEAT_LEVELS``."""
    return np.minimum(np.clip(amounts, 0, 1) * HEAT_LEVELS, HEAT_LEVELS - 1).astype("uint8")


def heat_palette() -> np.ndarray:
    """Return the colours from dark (0) to light (1), uint8 ``(HEAT_LEVELS, 3)``."""
    places = np.linspace(0, len(_HEAT) - 1, HEAT_LEVELS)
    return np.stack([np.interp(places, range(len(_HEAT)), _HEAT[:, c]) for c in range(3)], axis=1).astype("uint8")


def png_uri(image: np.ndarray) -> str:
    """Return what a ``Tile`` shows as a data URI."""
    from PIL import Image

    heat = image.ndim == 2
    pixels = np.rint(image * 255).astype("uint8") if heat else image[..., 0] if image.shape[-1] == 1 else image
    picture = Image.fromarray(pixels)
    if max(picture.size) > LONGEST_SIDE:
        size = tuple(max(1, round(side * LONGEST_SIDE / max(picture.size))) for side in picture.size)
        picture = picture.resize(size, Image.Resampling.BOX)
    if heat:
        picture = Image.fromarray(heat_levels(np.asarray(picture) / 255))
        picture.putpalette(heat_palette().ravel().tolist())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


_AROUND = 320  # characters of the elements around one showing, at most


class Album:
    """Shows tiles as long as they stay within ``limit`` characters: PNG files once, the rest each time."""

    def __init__(self, limit: int):
        self._room = limit
        self._uses: Counter[str] = Counter()
        self.left_out = 0

    def take(self, tiles: Sequence[Tile]) -> bool:
        """Return whether all of ``tiles`` fit, and keep room for them if so."""
        new = {tile.uri for tile in tiles if tile.uri not in self._uses}
        needed = sum(map(len, new)) + sum(_AROUND + len(escape(tile.alt)) for tile in tiles)
        if needed > self._room:
            self.left_out += 1
            return False
        self._room -= needed
        self._uses.update(tile.uri for tile in tiles)
        return True

    def shared(self) -> Markup:
        """Return the images that are shown more than once, out of sight."""
        images = [
            element("image", id=self._ident(uri), href=uri, width=1, height=1, preserveAspectRatio="none")
            for uri, uses in self._uses.items()
            if uses > 1
        ]
        if not images:
            return Markup("")
        return element("svg", element("defs", *images), width=0, height=0, class_="store", aria_hidden="true")

    def html(self, tile: Tile) -> Markup:
        """Return the element that shows ``tile``."""
        height, width = tile.image.shape[:2]
        if self._uses[tile.uri] == 1:
            # Not an SVG of its own: this one can be saved and opened by itself.
            return element("img", src=tile.uri, alt=tile.alt, width=width, height=height)
        use = element("use", href=f"#{self._ident(tile.uri)}", transform=f"scale({width} {height})")
        title, size = element("title", tile.alt), {"width": width, "height": height}
        return element("svg", title, use, viewBox=f"0 0 {width} {height}", **size, role="img", class_="picture")

    def _ident(self, uri):
        return f"image-{list(self._uses).index(uri)}"


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
