"""Which part of which photograph each crop is cut from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

# Regions are about this many crops wide, and never much narrower than this many pixels.
_REGION_IN_CROPS = 2
_REGION_PIXELS = 128
_SCALES = (1.0, 0.75, 0.5, 0.375, 0.25)


@dataclass(frozen=True)
class Box:
    """Rows ``top`` to ``bottom`` and columns ``left`` to ``right`` of a photograph, in pixels, ends excluded."""

    top: int
    left: int
    bottom: int
    right: int

    def overlaps(self, other: "Box") -> bool:
        """Return whether any pixel lies in both."""
        rows = self.top < other.bottom and other.top < self.bottom
        return rows and self.left < other.right and other.left < self.right

    def contains(self, other: "Box") -> bool:
        """Return whether every pixel of ``other`` lies in this box."""
        rows = self.top <= other.top and other.bottom <= self.bottom
        return rows and self.left <= other.left and other.right <= self.right


@dataclass(frozen=True)
class Crop:
    """A square crop at pixel (``y``, ``x``) of a region that was scaled to (``height``, ``width``)."""

    photograph: str
    region_name: str
    region: Box
    scale: float
    height: int
    width: int
    y: int
    x: int

    @property
    def name(self) -> str:
        """Return a name such as ``astronaut/r0c1/0.75x/y016x032``."""
        return f"{self.group}/{self.scale:g}x/y{self.y:03d}x{self.x:03d}"

    @property
    def group(self) -> str:
        """Return the name of the region, such as ``astronaut/r0c1``."""
        return f"{self.photograph}/{self.region_name}"

    def source(self, image_size: int) -> Box:
        """Return the pixels of the photograph that the crop is made of."""
        box, down, across = self.region, self.height, self.width
        tall, wide = box.bottom - box.top, box.right - box.left
        return Box(
            box.top + self.y * tall // down,
            box.left + self.x * wide // across,
            box.top + math.ceil((self.y + image_size) * tall / down),
            box.left + math.ceil((self.x + image_size) * wide / across),
        )


def photo_crops(photograph: str, usable: Box, image_size: int, count: int) -> list[Crop]:
    """Return up to ``count`` crops of a photograph, shared evenly by its disjoint regions; none where too small."""
    regions = list(_regions(usable, image_size))
    crops: list[Crop] = []
    for place, (name, region) in enumerate(regions):
        share = count // len(regions) + (place < count % len(regions))
        crops += _region_crops(photograph, name, region, image_size, share)
    return crops


def _regions(usable: Box, image_size: int) -> Iterator[tuple[str, Box]]:
    """Yield names and boxes of a grid that covers ``usable`` without overlap."""
    height, width = usable.bottom - usable.top, usable.right - usable.left
    if min(height, width) < image_size:
        return
    side = max(_REGION_PIXELS, _REGION_IN_CROPS * image_size)
    rows, columns = (max(1, math.floor(length / side + 0.5)) for length in (height, width))
    for row in range(rows):
        for column in range(columns):
            yield (
                f"r{row}c{column}",
                Box(
                    usable.top + height * row // rows,
                    usable.left + width * column // columns,
                    usable.top + height * (row + 1) // rows,
                    usable.left + width * (column + 1) // columns,
                ),
            )


def _region_crops(photograph: str, name: str, region: Box, image_size: int, share: int) -> list[Crop]:
    """Return ``share`` crops, as evenly over the scales as they have room, coarse scales first."""
    tall, wide = region.bottom - region.top, region.right - region.left
    stride = max(1, image_size // 8)
    by_scale = []
    for scale in reversed(_SCALES):
        height, width = round(tall * scale), round(wide * scale)
        starts = [
            (y, x) for y in range(0, height - image_size + 1, stride) for x in range(0, width - image_size + 1, stride)
        ]
        if starts:
            by_scale.append((scale, height, width, starts))
    crops: list[Crop] = []
    for place, (scale, height, width, starts) in enumerate(by_scale):
        wanted = math.ceil((share - len(crops)) / (len(by_scale) - place))
        crops += [Crop(photograph, name, region, scale, height, width, y, x) for y, x in _evenly(starts, wanted)]
    return crops


def _evenly(starts: list[tuple[int, int]], wanted: int) -> list[tuple[int, int]]:
    """Return ``wanted`` of the starts, spread over all of them."""
    if wanted >= len(starts):
        return starts
    return [starts[(2 * turn + 1) * len(starts) // (2 * wanted)] for turn in range(wanted)]
