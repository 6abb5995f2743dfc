"""Images for a comparison, at the size they have."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from kerasae.data.images import read_image
from kerasae.errors import DataError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")


def native_images(
    folder: str | Path,
    *,
    channels: int | None = None,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[str], list[np.ndarray]]:
    """Return names and images, uint8 ``(height, width, channels)``, of a folder tree at native sizes.

    ``channels`` of 1 takes the luma, 3 repeats gray; None keeps gray where every file is gray and gives RGB otherwise,
    so that one curve is about one kind of image. ``limit`` takes as many files, spread evenly over the sorted names.
    Raises ``DataError`` where the folder is missing or empty, or a file is broken.
    """
    root = Path(folder)
    if not root.is_dir():
        raise DataError(f"the image folder {root} does not exist; --data folder:PATH names a folder of image files")
    paths = sorted(
        path
        for path in root.rglob("*")
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.relative_to(root).parts)
    )
    if not paths:
        raise DataError(f"{root} holds no image files ({', '.join(SUFFIXES)})")
    paths = [paths[index] for index in spread(len(paths), limit)]
    with ThreadPoolExecutor() as pool:
        images = []
        for image in pool.map(lambda path: read_image(path, channels=channels), paths):
            images.append(image)
            if progress:
                progress(len(images), len(paths))
    if channels is None and len({image.shape[-1] for image in images}) > 1:
        images = [np.repeat(image, 3, axis=-1) if image.shape[-1] == 1 else image for image in images]
    return [path.relative_to(root).as_posix() for path in paths], images


def spread(count: int, limit: int | None) -> Sequence[int]:
    """Return at most ``limit`` of ``count`` places, evenly apart."""
    if limit is None or limit >= count:
        return range(count)
    return [place * count // limit for place in range(limit)]
