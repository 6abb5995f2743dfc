"""``[data]`` → images: the one dict from schema class to loader."""

from collections.abc import Callable
from typing import Any

from kerasae.data.decode import Progress
from kerasae.data.ffhq import load_ffhq
from kerasae.data.folder import load_folder
from kerasae.data.image_set import ImageSet
from kerasae.data.photos import load_photos
from kerasae.data.tfds import load_tfds
from kerasae.errors import DataError
from kerasae.recipe.data import FfhqData, FolderData, PhotosData, TfdsData

LOADERS: dict[type, Callable[..., ImageSet]] = {
    PhotosData: load_photos,
    FolderData: load_folder,
    FfhqData: load_ffhq,
    TfdsData: load_tfds,
}


def load_images(data: Any, *, progress: Progress | None = None) -> ImageSet:
    """Return the images that the ``[data]`` section of a recipe asks for, ``data.limit`` of them at most.

    ``progress(done, total)`` is called as files are decoded; not at all where a cache has them.
    Raises ``DataError`` where the images are missing, broken or too few.
    """
    if type(data) not in LOADERS:
        known = ", ".join(kind.__name__ for kind in LOADERS)
        raise DataError(f"{type(data).__name__} is no source of images; known are {known}")
    return LOADERS[type(data)](data, progress=progress)
