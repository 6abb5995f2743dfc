"""Images inside the page."""

import base64
import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from kerasae.reports.svg import element

# From dark to light in even steps of lightness, so that it reads without colour as well. Of kerasae's own mixing.
_HEAT = np.array([(14, 10, 40), (88, 30, 118), (196, 62, 92), (246, 146, 66), (253, 246, 200)], dtype="float64")
HEAT_LEVELS = 16  # few enough for four bits a pixel
LONGEST_SIDE = 160


def png_uri(image: np.ndarray) -> str:
    """Return a uint8 image ``(height, width, channels)`` as a data URI, shrunk to sides of ``LONGEST_SIDE`` at most."""
    from PIL import Image

    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
    return _uri(_small(picture))


def heat_uri(amounts: np.ndarray) -> str:
    """Return ``(height, width)`` in [0, 1] as a data URI in ``HEAT_LEVELS`` colours from dark (0) to light (1)."""
    from PIL import Image

    picture = _small(Image.fromarray(np.clip(np.rint(amounts * 255), 0, 255).astype("uint8")))
    levels = np.minimum(np.asarray(picture).astype("int64") * HEAT_LEVELS // 256, HEAT_LEVELS - 1).astype("uint8")
    heat = Image.fromarray(levels)
    heat.putpalette(heat_palette().ravel().tolist())
    return _uri(heat)


def heat_palette() -> np.ndarray:
    """Return the colours, uint8 ``(HEAT_LEVELS, 3)``."""
    places = np.linspace(0, len(_HEAT) - 1, HEAT_LEVELS)
    return np.stack([np.interp(places, range(len(_HEAT)), _HEAT[:, c]) for c in range(3)], axis=1).astype("uint8")


def _small(picture):
    from PIL import Image

    if max(picture.size) <= LONGEST_SIDE:
        return picture
    factor = LONGEST_SIDE / max(picture.size)
    size = tuple(max(1, round(side * factor)) for side in picture.size)
    return picture.resize(size, Image.Resampling.BOX)


def _uri(picture):
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


SIDE = 32


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


@dataclass(frozen=True)
class Picture:
    """One showing of an image: ``alt`` is what it shows; ``width`` and ``height`` in pixels give its shape."""

    uri: str
    alt: str
    width: int
    height: int


AROUND = 320  # characters of the elements around one showing, at most


class Album:
    """Hands out pictures as long as they stay within ``limit`` characters: PNG files once, the rest each time."""

    def __init__(self, limit: int):
        self._room = limit
        self._uses: Counter[str] = Counter()
        self.left_out = 0

    def take(self, images: Sequence[tuple[np.ndarray, str]]) -> list[Picture] | None:
        """Return a picture for each (image, alt), or None where they do not all fit.

        uint8 ``(height, width, channels)`` is shown as it is; float ``(height, width)`` in [0, 1] as heat.
        """
        pictures = []
        for image, alt in images:
            uri = heat_uri(image) if image.ndim == 2 else png_uri(image)
            pictures.append(Picture(uri, alt, image.shape[1], image.shape[0]))
        new = {picture.uri for picture in pictures if picture.uri not in self._uses}
        needed = sum(map(len, new)) + sum(AROUND + len(escape(picture.alt)) for picture in pictures)
        if needed > self._room:
            self.left_out += 1
            return None
        self._room -= needed
        self._uses.update(picture.uri for picture in pictures)
        return pictures

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

    def html(self, picture: Picture) -> Markup:
        """Return the element that shows ``picture``."""
        if self._uses[picture.uri] == 1:
            # Not an SVG of its own: this one can be saved and opened by itself.
            return element("img", src=picture.uri, alt=picture.alt, width=picture.width, height=picture.height)
        scale = f"scale({picture.width} {picture.height})"
        return element(
            "svg",
            element("title", picture.alt),
            element("use", href=f"#{self._ident(picture.uri)}", transform=scale),
            viewBox=f"0 0 {picture.width} {picture.height}",
            width=picture.width,
            height=picture.height,
            role="img",
            class_="picture",
        )

    def _ident(self, uri):
        return f"image-{list(self._uses).index(uri)}"
