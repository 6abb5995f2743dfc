"""Any folder tree of image files."""

import os
from pathlib import Path

from kerasae.data.decode import Progress
from kerasae.data.groups import read_groups
from kerasae.data.image_files import kept_groups, load_files
from kerasae.data.image_set import ImageSet
from kerasae.data.limit import limit_indices
from kerasae.errors import DataError
from kerasae.recipe.data import FolderData

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
# Fewer files than this decode in a few seconds, and a cache would only fill the disk.
_CACHE_FROM = 5000


def load_folder(data: FolderData, *, progress: Progress | None = None) -> ImageSet:
    """Return the images of a folder tree, sorted by relative path, which is their name.

    Hidden files and folders are passed over, links to folders not followed. Raises ``DataError`` where the folder, the
    labels, a column or a row is missing, a file is broken, or fewer than three images are there.
    """
    root = Path(data.path)
    names = _image_names(root)
    groups = None
    if data.group_column is not None:
        groups = read_groups(root / data.labels, data.group_column, names)
    keep = limit_indices(names, groups, limit=data.limit, seed=data.split_seed)
    names, groups = [names[index] for index in keep], None if groups is None else [groups[index] for index in keep]
    loaded = load_files(
        root, {name: name for name in names}, data, kind="folder", cache=len(names) >= _CACHE_FROM, progress=progress
    )
    if not loaded.names:
        raise DataError(f"{root} has no usable image and {len(loaded.skipped)} broken; at least one is needed")
    return ImageSet.of(
        loaded.images,
        loaded.names,
        kept_groups(names, groups, loaded.names),
        label=f"folder:{root.resolve().name}",
        card="folder",
        skipped=loaded.skipped,
        digest=loaded.digest,
    )


def _image_names(root: Path) -> list[str]:
    """Return the paths of the image files relative to ``root``, with ``/``, sorted."""
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"the image folder {root} {what}; data.path names a folder of {', '.join(SUFFIXES)} files")
    names = []
    for folder, folders, files in os.walk(root):
        # What starts with a dot was put there by a tool, such as the "._x.png" of a Mac, which is no image.
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = Path(folder).relative_to(root)
        names += [
            (inside / name).as_posix()
            for name in files
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES
        ]
    if not names:
        raise DataError(f"no images in {root} or its subfolders; looked for {', '.join(SUFFIXES)}")
    return sorted(names)
