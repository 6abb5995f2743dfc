"""Pictures of examples, and how they are stored inside the page."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from markupsafe import Markup, escape

from kerasae.records import Example
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
