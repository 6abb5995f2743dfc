"""``[data]``: where the images come from, their shape, and how they are split."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator

from kerasae.recipe.section import Section

Fractions = Annotated[tuple[float, float, float], Field(strict=False)]


class _Images(Section):
    """What all sources have in common.

    Images become ``(image_size, image_size, channels)`` uint8. ``fit`` says how an image of another shape gets there:
    ``crop`` cuts the largest centred square and resizes it, ``stretch`` resizes without cutting; an image that already
    has the size is never resampled. ``split`` holds the fractions of training, validation and test; ``split_seed``
    alone decides who falls where, so that runs with different training seeds share their test images. ``limit`` keeps
    that many images only (whole groups first, chosen by ``split_seed``), for a first look.
    """

    image_size: int = Field(128, ge=8, le=4096)
    channels: Literal[1, 3] = 1
    fit: Literal["crop", "stretch"] = "crop"
    split: Fractions = (0.7, 0.1, 0.2)
    split_seed: int = Field(0, ge=0, lt=2**32)
    limit: int | None = Field(None, ge=3)

    # The keys that say where the images are; `--data` replaces these and keeps the rest.
    location_keys: ClassVar[tuple[str, ...]] = ("source",)

    @field_validator("split")
    @classmethod
    def _sums_to_one(cls, split: tuple[float, float, float]) -> tuple[float, float, float]:
        if any(part <= 0 for part in split):
            raise ValueError("needs three fractions above 0: training, validation, test, such as [0.7, 0.1, 0.2]")
        if abs(sum(split) - 1) > 1e-6:
            raise ValueError(f"sums to {sum(split):g}; the three fractions must sum to 1, such as [0.7, 0.1, 0.2]")
        return split


class PhotosData(_Images):
    """Crops of the photographs that come with scikit-image: nothing to download."""

    source: Literal["photos"] = "photos"


class FolderData(_Images):
    """Any folder tree of PNG, JPEG or WebP files.

    ``group_column`` names a column of ``labels`` (a CSV file in the folder, with a column ``file``); images of one
    group, such as one person, then never fall into two splits. ``on_error``: what a broken image file does.
    """

    source: Literal["folder"]
    path: str = Field(min_length=1)
    group_column: str | None = Field(None, min_length=1)
    labels: str = "labels.csv"
    on_error: Literal["stop", "skip"] = "stop"

    location_keys = ("source", "path", "group_column", "labels", "on_error")


class FfhqData(_Images):
    """The 70,000 FFHQ thumbnails as published, decoded once into a memory-mapped cache."""

    source: Literal["ffhq"]
    path: str = Field(min_length=1)
    on_error: Literal["stop", "skip"] = "stop"

    location_keys = ("source", "path", "on_error")


class TfdsData(_Images):
    """Any image data set of TensorFlow Datasets, all of its splits together, split anew as the recipe says."""

    source: Literal["tfds"]
    name: str = Field(min_length=1)
    data_dir: str | None = Field(None, min_length=1)
    feature: str = "image"
    download: bool = False

    location_keys = ("source", "name", "data_dir", "feature", "download")


Data = Annotated[PhotosData | FolderData | FfhqData | TfdsData, Field(discriminator="source")]
SOURCES: dict[str, type[_Images]] = {
    "photos": PhotosData,
    "folder": FolderData,
    "ffhq": FfhqData,
    "tfds": TfdsData,
}
