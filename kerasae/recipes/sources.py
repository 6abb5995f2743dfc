"""Where images come from: the ``[data]`` section of a recipe, one class for each source.

A source names the function that loads it, so that reading a recipe loads no image library.
"""

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SerializeAsAny, ValidationInfo, field_validator

from kerasae.files import readable
from kerasae.recipes.section import Section, chosen


def _absolute(path: str) -> str:
    absolute = str(Path(path).expanduser().resolve())
    if readable(absolute) != absolute:
        raise ValueError(
            f"leads to {readable(absolute)}, whose name is no UTF-8, which a recipe cannot hold; rename it"
        )
    return absolute


Fractions = Annotated[tuple[float, float, float], Field(strict=False)]
# Made absolute, so that a run started elsewhere finds the same images.
FolderPath = Annotated[str, Field(min_length=1), AfterValidator(_absolute)]


def _of_patches(value: float | None, info: ValidationInfo) -> float | None:
    if value is not None and info.data.get("fit") != "patches":
        raise ValueError("is for data.fit = 'patches'; add that, or remove the key")
    return value


PatchesPerImage = Annotated[int | None, Field(ge=1, le=65536), AfterValidator(_of_patches)]
Reduction = Annotated[float | None, Field(gt=1, le=16), AfterValidator(_of_patches)]


class ImageSource(Section):
    """What all sources of images have in common.

    Images become ``(image_size, image_size, channels)`` uint8. ``fit`` says how an image of another shape gets there:
    ``crop`` cuts the largest centred square and resizes it, ``stretch`` resizes without cutting; an image that already
    has the size is never resampled. ``patches`` resizes nothing: squares of ``image_size`` pixels are cut out of images
    of any size, for training anywhere and anew in every epoch, for validation and test always the same, side by side
    from the middle; all patches of one image are in one split. There are as many of an image as fit side by side,
    ``patches_per_image`` (None: 16; 1,792 of scikit-image's photographs together) at most, so that small images are not
    repeated, nor large ones all there is, and a few photographs still make an epoch. With ``reduce`` of 2 patches for
    training come from squares up to twice as wide, evenly in the logarithm, reduced to ``image_size``: they show more
    of an image, and its colour in full, which JPEG and WebP files store at half the resolution. ``split`` holds the
    fractions of training, validation and test; ``split_seed`` alone decides who falls where, so that runs with
    different training seeds share their test images. ``limit`` keeps that many images only (whole groups first, chosen
    by ``split_seed``), for a first look.

    A new source is a subclass, with a ``source`` of its own, in ``SOURCES``: ``loader`` names the function
    ``(data, *, progress) → ImageSet``, which is imported when images are loaded; ``asked_for`` and ``about`` say in
    lists how to ask for it and what it is; ``location`` is the key that ``--data SOURCE:LOCATION`` sets.
    """

    image_size: int = Field(128, ge=8, le=4096)
    channels: Literal[1, 3] = 1
    fit: Literal["crop", "stretch", "patches"] = "crop"
    patches_per_image: PatchesPerImage = None
    reduce: Reduction = None
    split: Fractions = (0.7, 0.1, 0.2)
    split_seed: int = Field(0, ge=0, lt=2**32)
    limit: int | None = Field(None, ge=3, le=10**9)

    loader: ClassVar[str]
    asked_for: ClassVar[str]
    about: ClassVar[str]
    location: ClassVar[str | None] = None

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""
        return self.image_size, self.image_size, self.channels

    @field_validator("split")
    @classmethod
    def _sums_to_one(cls, split: tuple[float, float, float]) -> tuple[float, float, float]:
        if any(part <= 0 for part in split):
            raise ValueError("needs three fractions above 0: training, validation, test, such as [0.7, 0.1, 0.2]")
        if abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"sums to {sum(split):g}; the three fractions must sum to 1, such as [0.7, 0.1, 0.2]")
        return split


class PhotosData(ImageSource):
    """Crops of the photographs that come with scikit-image: nothing to download.

    With ``fit = "patches"`` each crop for training is moved anew in every epoch, anywhere in its region.
    """

    source: Literal["photos"] = "photos"

    loader = "kerasae.data.photos:load_photos"
    asked_for = "--data photos"
    about = "crops of the photographs that ship with scikit-image; the default"


class FolderData(ImageSource):
    """Any folder tree of PNG, JPEG or WebP files.

    ``group_column`` names a column of ``labels`` (a CSV file in the folder, with a column ``file``); images of one
    group, such as one person, then never fall into two splits. ``on_error``: what a broken image file does.
    """

    source: Literal["folder"] = "folder"
    path: FolderPath
    group_column: str | None = Field(None, min_length=1)
    labels: str = "labels.csv"
    on_error: Literal["stop", "skip"] = "stop"

    loader = "kerasae.data.sources:load_folder"
    asked_for = "--data folder:PATH"
    about = "any folder tree of PNG, JPEG or WebP, resized or in patches; split by group where a CSV names one"
    location = "path"


class FfhqData(ImageSource):
    """The 70,000 FFHQ thumbnails as published, decoded once into a memory-mapped cache."""

    source: Literal["ffhq"] = "ffhq"
    path: FolderPath
    on_error: Literal["stop", "skip"] = "stop"

    loader = "kerasae.data.sources:load_ffhq"
    asked_for = "--data ffhq:PATH"
    about = "the 70,000 FFHQ thumbnails as published"
    location = "path"


class TfdsData(ImageSource):
    """Any image data set of TensorFlow Datasets, all of its splits together, split anew as the recipe says."""

    source: Literal["tfds"] = "tfds"
    name: str = Field(min_length=1)
    data_dir: FolderPath | None = None
    feature: str = "image"
    download: bool = False

    loader = "kerasae.data.tfds:load_tfds"
    asked_for = "--data tfds:NAME"
    about = "any image data set of TensorFlow Datasets"
    location = "name"


class ArrayData(ImageSource):
    """Images that were given in Python: the recipe of such a run says of what shape they were, not where they are.

    ``height`` and ``width`` are those of the array where they are not both ``image_size``; it may have any number of
    ``channels``. A run keeps the images that were not trained on, in the file at ``path``.
    """

    source: Literal["array"] = "array"
    path: str | None = None
    channels: int = Field(1, ge=1, le=4096)
    fit: Literal["crop", "stretch"] = "crop"
    height: int | None = Field(None, ge=1, le=65_536)
    width: int | None = Field(None, ge=1, le=65_536)

    loader = "kerasae.data.sources:load_array"
    asked_for = "images=ARRAY in Python"
    about = "a NumPy array, uint8 or float in [0, 1]"

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the images."""
        return self.height or self.image_size, self.width or self.image_size, self.channels


SOURCES: dict[str, type[ImageSource]] = {
    "photos": PhotosData,
    "folder": FolderData,
    "ffhq": FfhqData,
    "tfds": TfdsData,
    "array": ArrayData,
}
# The registry is looked at when a recipe is read, so that a source may be added to it at any time.
Data = Annotated[
    SerializeAsAny[ImageSource], BeforeValidator(lambda plain: chosen(plain, "data", "source", ImageSource, SOURCES))
]
