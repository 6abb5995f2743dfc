"""The images of a page, each kept once, within a bound."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup, escape

from kerasae.reports.page.charts.svg import element
from kerasae.reports.page.pictures.png import heat_uri, png_uri


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
