"""FFHQ as published: 70,000 thumbnails of faces, 128×128."""

import os
import re
from pathlib import Path

from kerasae.data.decode import Progress
from kerasae.data.image_files import load_files
from kerasae.data.image_set import ImageSet
from kerasae.data.limit import limit_indices
from kerasae.errors import DataError
from kerasae.recipe.data import FfhqData

COUNT = 70_000
_THUMBNAILS = "thumbnails128x128"
_FILE = re.compile(r"(\d{5})\.png", re.IGNORECASE)
_SUBFOLDER = re.compile(r"\d{2}000")


def load_ffhq(data: FfhqData, *, progress: Progress | None = None) -> ImageSet:
    """Return the FFHQ thumbnails, from the cache after the first time, named ``00000`` to ``69999``.

    ``data.path`` is the root of the data set or its folder ``thumbnails128x128``, the files lying flat or in folders of
    a thousand. A part of the 70,000 will do; the label then says how many. Raises ``DataError`` where the folder does
    not look like FFHQ, or a file is broken.
    """
    root = Path(data.path)
    if not root.is_dir():
        raise DataError(f"the FFHQ folder {root} does not exist; data.path names the folder that holds {_THUMBNAILS}")
    root = root / _THUMBNAILS if (root / _THUMBNAILS).is_dir() else root
    files = _thumbnails(root)
    names = sorted(files)
    keep = limit_indices(names, None, limit=data.limit, seed=data.split_seed)
    kept = {names[index]: files[names[index]] for index in keep}
    loaded = load_files(root, kept, data, kind="ffhq", cache=True, progress=progress)
    if len(loaded.names) < 3:
        raise DataError(f"{root} has {len(loaded.names)} usable FFHQ images; at least 3 are needed")
    count = len(loaded.names)
    return ImageSet.of(
        loaded.images,
        loaded.names,
        None,
        label="ffhq" if count == COUNT else f"ffhq ({count:,} of {COUNT:,})",
        card="ffhq",
        skipped=loaded.skipped,
        digest=loaded.digest,
    )


def _thumbnails(root: Path) -> dict[str, str]:
    """Return name → path relative to ``root`` of the files named as FFHQ names them."""
    try:
        files = {name: path for name, path in _named_files(root).items() if int(name) < COUNT}
    except OSError as error:
        raise DataError(f"the FFHQ folder {root} cannot be read: {error.strerror or error}") from None
    if not files:
        raise DataError(
            f"{root} does not look like FFHQ: no file such as 00000.png or 00000/00000.png is there; name the folder "
            f"that holds {_THUMBNAILS}, or read any other images with --data folder:PATH"
        )
    return files


def _named_files(root: Path) -> dict[str, str]:
    files: dict[str, str] = {}
    for entry in os.scandir(root):
        if match := _FILE.fullmatch(entry.name):
            files[match[1]] = entry.name
        elif _SUBFOLDER.fullmatch(entry.name) and entry.is_dir():
            for inner in os.scandir(entry.path):
                # A file in the wrong folder of a thousand is not of FFHQ's making.
                if (match := _FILE.fullmatch(inner.name)) and match[1][:2] == entry.name[:2]:
                    files[match[1]] = f"{entry.name}/{inner.name}"
    return files
