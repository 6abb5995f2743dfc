"""Crops of the photographs that come with scikit-image."""

import importlib.util
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from kerasae.data.cache import Patches
from kerasae.data.images import Progress, read_image, shrink
from kerasae.data.splits import ImageSet, limit_indices, pixel_digest
from kerasae.errors import DataError
from kerasae.recipes import PhotosData

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


# Shared evenly by the photographs, so that none outweighs the others.
_CROPS = 1792
_FEWEST_REGIONS = 14


@dataclass(frozen=True)
class Photograph:
    """A file of scikit-image's data folder; ``usable`` is the part to cut crops from, None all of it."""

    file: str
    colour: bool
    usable: Box | None = None

    @property
    def name(self) -> str:
        """Return the file's name without its suffix."""
        return Path(self.file).stem


PHOTOGRAPHS = (
    Photograph("astronaut.png", colour=True),
    Photograph("brick.png", colour=False),
    Photograph("camera.png", colour=False),
    Photograph("chelsea.png", colour=True),
    Photograph("coffee.png", colour=True),
    Photograph("coins.png", colour=False),
    Photograph("grass.png", colour=False),
    Photograph("gravel.png", colour=False),
    Photograph("hubble_deep_field.jpg", colour=True),
    Photograph("ihc.png", colour=True),
    Photograph("moon.png", colour=False),
    # The right-hand picture of the stereo pair shows the same scene, so it would put test pixels into training.
    Photograph("motorcycle_left.png", colour=True),
    # A disc on black: outside the square inscribed in it there would be crops of nothing.
    Photograph("retina.jpg", colour=True, usable=Box(215, 215, 1196, 1196)),
    Photograph("rocket.jpg", colour=True),
)


def load_photos(data: PhotosData, *, progress: Progress | None = None) -> ImageSet:
    """Return crops of photographs; each photograph's disjoint regions are the groups, so no pixel is in two splits.

    A crop is cut from its region after the region was downsampled by area to one of several scales; with
    ``data.fit = "patches"`` training moves it anywhere in there. Colour uses the colour photographs only. Raises
    ``DataError`` where ``image_size`` leaves too few regions, or scikit-image lacks a photograph.
    """
    wanted = [photograph for photograph in PHOTOGRAPHS if photograph.colour or data.channels == 1]
    with ThreadPoolExecutor(max_workers=4) as pool:
        pixels = dict(zip(wanted, pool.map(lambda one: read_photograph(one, data.channels), wanted), strict=True))
    sizes = {one: image.shape[:2] for one, image in pixels.items()}
    crops = plan_crops(sizes, data.image_size, data.patches_per_image or _CROPS // len(sizes))
    _require_enough(crops, data.image_size)
    keep = limit_indices(
        [crop.name for crop in crops], [crop.group for crop in crops], limit=data.limit, seed=data.split_seed
    )
    crops = [crops[index] for index in keep]
    by_name = {one.name: image for one, image in pixels.items()}
    patches = _patches(crops, by_name, data)
    if progress is not None:
        progress(len(crops), len(crops))
    names, groups = [crop.name for crop in crops], [crop.group for crop in crops]
    if data.fit == "patches":
        digest = patches.digest(pixel_digest(patches.pixels))
        return ImageSet.of(patches, names, groups, label="photos, patches", card="photos", digest=digest)
    return ImageSet.of(patches[:], names, groups, label="photos", card="photos")


def plan_crops(sizes: dict[Photograph, tuple[int, int]], image_size: int, count: int) -> list[Crop]:
    """Return up to ``count`` crops of each of the photographs of the given (height, width)."""
    crops: list[Crop] = []
    for photograph, (height, width) in sizes.items():
        usable = photograph.usable or Box(0, 0, height, width)
        crops += photo_crops(photograph.name, usable, image_size, count)
    return crops


def read_photograph(photograph: Photograph, channels: int) -> np.ndarray:
    """Return a photograph as uint8, ``(height, width, channels)``; nothing is downloaded, nor scikit-image loaded."""
    spec = importlib.util.find_spec("skimage")
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the photographs come with scikit-image, which is not installed; install it or use other images"
        )
    path = Path(next(iter(spec.submodule_search_locations)), "data", photograph.file)
    if not path.is_file():
        raise DataError(
            f"this scikit-image has no {photograph.file}, one of the photographs; install scikit-image 0.25 or newer, "
            "or read other images with --data folder:PATH"
        )
    # As scikit-image gives them: one has a profile, which that does not apply.
    return read_image(path, channels=channels, in_srgb=False)


def _require_enough(crops: list[Crop], image_size: int) -> None:
    regions = len({crop.group for crop in crops})
    if regions < _FEWEST_REGIONS:
        raise DataError(
            f"the photographs give {len(crops)} crops in {regions} regions at data.image_size = {image_size}, too few "
            f"to split ({_FEWEST_REGIONS} regions are needed); take a smaller one, such as 128, or --data folder:PATH"
        )


def _patches(crops: list[Crop], pixels: dict[str, np.ndarray], data: PhotosData) -> Patches:
    """Return the crops as patches of the scaled regions."""
    scaled: dict[tuple[str, float], np.ndarray] = {}
    for crop in crops:
        key = (crop.group, crop.scale)
        if key not in scaled:
            box = crop.region
            # Cut first, then downsampled: no pixel from outside the region can leak in.
            region = pixels[crop.photograph][box.top : box.bottom, box.left : box.right]
            scaled[key] = shrink(region, height=crop.height, width=crop.width)
    number = {key: place for place, key in enumerate(scaled)}
    places = np.array([(number[crop.group, crop.scale], crop.y, crop.x) for crop in crops])
    flat = np.concatenate([region.reshape(-1) for region in scaled.values()])
    shapes = [region.shape for region in scaled.values()]
    return Patches(flat, shapes, places, data.image_size, reduce=data.reduce or 1.0)
