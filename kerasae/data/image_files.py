"""Image files of a folder, decoded as the recipe says, from the cache or into memory."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.data.cache import CachedImages, cached, file_states
from kerasae.data.decode import Progress, decode
from kerasae.data.image_set import pixel_digest
from kerasae.data.images import read_image


def load_files(
    root: Path, files: dict[str, str], data: Any, *, kind: str, cache: bool, progress: Progress | None
) -> CachedImages:
    """Return the decoded files; ``files`` holds name → path relative to ``root``.

    ``data`` is the ``[data]`` section: its ``image_size``, ``channels``, ``fit`` and ``on_error`` apply. With ``cache``
    the images are a read-only memory map. Raises ``DataError`` for a broken file, unless ``on_error`` is ``skip``.
    """
    shape = (data.image_size, data.image_size, data.channels)

    def read(name: str) -> np.ndarray:
        return read_image(root / files[name], image_size=data.image_size, channels=data.channels, fit=data.fit)

    def decoded(skipped: list[str]):
        return decode(tuple(files), read, on_error=data.on_error, skipped=skipped, progress=progress)

    if cache:
        settings = {"root": str(root.resolve()), "shape": shape, "fit": data.fit, "on_error": data.on_error}
        if data.limit is not None:
            settings |= {"limit": data.limit, "seed": data.split_seed}
        source = file_states(root, files.values())
        return cached(kind, settings, source=source, shape=shape, decode=decoded)
    skipped: list[str] = []
    images = np.empty((len(files), *shape), np.uint8)
    names: list[str] = []
    for name, image in decoded(skipped):
        images[len(names)] = image
        names.append(name)
    images = images[: len(names)]
    return CachedImages(images, tuple(names), tuple(skipped), pixel_digest(images))


def kept_groups(names: Sequence[str], groups: Sequence[str] | None, kept: Sequence[str]) -> tuple[str, ...] | None:
    """Return the groups of the names that were kept."""
    if groups is None:
        return None
    group_of = dict(zip(names, groups, strict=True))
    return tuple(group_of[name] for name in kept)
