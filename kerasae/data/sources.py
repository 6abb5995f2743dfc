"""Images of a source: folders, FFHQ, and whatever else is registered in ``kerasae.recipes.SOURCES``."""

import csv
import difflib
import inspect
import os
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from kerasae.data.cache import CachedImages, Patches, cached, file_states, patch_grid
from kerasae.data.images import Progress, Remarks, decode, read_image
from kerasae.data.splits import ImageSet, limit_indices, pixel_digest
from kerasae.errors import DataError
from kerasae.files import files_in, readable, refuse_irregular, replacing, shipped_folder
from kerasae.recipes import SOURCES, ArrayData, FfhqData, FolderData, ImageSource


def read_groups(labels: Path, column: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the value of ``column`` for each name, a path relative to the folder of images, or the end of one.

    ``labels`` is a CSV file in UTF-8 with a head row, which calls images in the column ``file``, as FairFace's do, or
    by number in ``image_number``, as that of FFHQ-Aging; or a text file of CelebA: attributes, or identities. Its name
    may hold ``*``, for several such as FairFace's two. Rows of other files are passed over. Raises ``DataError`` where
    the file or a column is missing, a name has no row or no value, or two that differ.
    """
    files = sorted(labels.parent.glob(labels.name)) if "*" in labels.name else [labels]
    if not files:
        raise DataError(f"no file is called {labels}; name the file that says who or what is on the images")
    values: dict[str, str] = {}
    for path in files:
        values |= _values(path, column)
    found = [_value_of(name, values) for name in names]
    missing = [name for name, value in zip(names, found, strict=True) if value is None]
    if missing:
        raise DataError(
            f"{labels} has no row for {_count(missing)}, first {missing[0]!r}; each needs a row with its path relative "
            f"to the folder in the column 'file'"
        )
    empty = [name for name, value in zip(names, found, strict=True) if not value]
    if empty:
        raise DataError(f"{labels} has an empty {column!r} for {_count(empty)}, first {empty[0]!r}; give each a value")
    return tuple(found)


def _value_of(name: str, values: Mapping[str, str]) -> str | None:
    """Return the value of an image: by its path, or the end of that, or by its number."""
    parts = name.split("/")
    ends = ["/".join(parts[place:]) for place in range(len(parts))]
    stem = parts[-1].partition(".")[0]
    return next((values[one] for one in [*ends, stem.lstrip("0") or "0"] if one in values), None)


def _values(labels: Path, column: str) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        refuse_irregular(labels)
        # Spreadsheets put a byte order mark at the head, which would become part of the first column's name.
        with labels.open(encoding="utf-8-sig", newline="") as file:
            key, columns, rows = _rows_of_celeba(file) if labels.suffix == ".txt" else _rows_of_csv(file)
            _require(labels, columns, (key, column))
            for line, row in enumerate(rows, start=2):
                name, value = (row[key] or "").strip().replace("\\", "/"), (row[column] or "").strip()
                if values.setdefault(name, value) != value:
                    raise DataError(f"{labels} gives one file two values of {column!r}; keep one of line {line}")
    except FileNotFoundError:
        raise DataError(
            f"the labels file {labels} does not exist; data.group_column = {column!r} needs a CSV file with the "
            f"columns file,{column} (its name: data.labels)"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        # Never what the file holds: a recipe may name any file.
        why = f": {error.strerror}" if isinstance(error, OSError) else ""
        raise DataError(f"the labels file {labels} cannot be read as a CSV file in UTF-8{why}") from None
    return values


Rows = tuple[str, list[str], Iterable[Mapping[str, str | None]]]


def _rows_of_csv(file: TextIO) -> Rows:
    """Return the column that calls images, all columns, and rows."""
    rows = csv.DictReader(file)
    columns = list(rows.fieldnames or ())
    return "image_number" if "file" not in columns and "image_number" in columns else "file", columns, rows


def _rows_of_celeba(file: TextIO) -> Rows:
    """Return the same of CelebA's text files: a count, names and a row for each image; or without these, identities."""
    lines = [line.split() for line in file if line.strip()]
    columns = ["file", "identity"]
    if len(lines) > 1 and len(lines[0]) == 1:
        columns, lines = ["file", *lines[1]], lines[2:]
    return "file", columns, [dict(zip(columns, line, strict=False)) for line in lines if len(line) == len(columns)]


def _require(labels: Path, columns: list[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in columns:
            near = difflib.get_close_matches(column, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(f"{labels} has no column {column!r} among the {len(columns)} of its first line{hint}")


def _count(names: Sequence[str]) -> str:
    return f"{len(names):,} image{'s' * (len(names) != 1)}"


def load_files(
    root: Path, files: dict[str, str], data: Any, *, kind: str, cache: bool, progress: Progress | None
) -> CachedImages:
    """Return the decoded files; ``files`` holds name → path relative to ``root``.

    ``data`` is the ``[data]`` section: its ``image_size``, ``channels``, ``fit`` and ``on_error`` apply. With ``cache``
    the images are a read-only memory map, and for ``fit = "patches"`` always, each whole and of its own size. Raises
    ``DataError`` for a broken file, unless ``on_error`` is ``skip``.
    """
    sizes = sizes_of(data)
    shape, whole, remarks = (data.image_size, data.image_size, data.channels), not sizes, Remarks()

    def read(name: str) -> np.ndarray:
        return read_image(root / files[name], channels=data.channels, remarks=remarks, **sizes)

    def decoded(skipped: list[str]):
        return decode(tuple(files), read, on_error=data.on_error, skipped=skipped, progress=progress, whole=whole)

    if cache or whole:
        shape = None if whole else shape
        settings = {"root": str(root.resolve()), "shape": shape, "fit": data.fit, "on_error": data.on_error}
        settings |= {"channels": data.channels} if whole else {}
        if data.limit is not None:
            settings |= {"limit": data.limit, "seed": data.split_seed}
        source = file_states(root, files.values())
        return cached(kind, settings, source=source, shape=shape, decode=decoded, remarks=remarks.sentences)
    skipped: list[str] = []
    images = np.empty((len(files), *shape), np.uint8)
    names: list[str] = []
    for name, image in decoded(skipped):
        images[len(names)] = image
        names.append(name)
    images = images[: len(names)]
    digest = pixel_digest(images)
    return CachedImages(images, tuple(names), tuple(skipped), digest, remarks=remarks.sentences())


def sizes_of(data: Any) -> dict[str, Any]:
    """Return what ``read_image`` is told of the size that images get: nothing where they stay whole, for patches."""
    return {} if data.fit == "patches" else {"image_size": data.image_size, "fit": data.fit}


_PATCHES_PER_IMAGE = 16


def image_set(loaded: CachedImages, data: Any, groups: Sequence[str] | None, *, label: str, card: str) -> ImageSet:
    """Return the decoded images, or of those that are whole the patches that ``data`` asks for, as an image set.

    A patch is called by its image and where it stands in it, or as the image that it is all of. Its group is that of
    its image, or the image itself: one image is in one split. Raises ``DataError`` where an image is smaller than a
    patch and is not to be left out.
    """
    if loaded.shapes is None:
        skipped, digest, remarks = loaded.skipped, loaded.digest, loaded.remarks
        return ImageSet.of(
            loaded.images, loaded.names, groups, label=label, card=card, skipped=skipped, digest=digest, remarks=remarks
        )
    size = data.image_size
    left_out = {
        place: f"{name}: {shape[1]}×{shape[0]} pixels, less than a patch of {size}×{size}"
        for place, (name, shape) in enumerate(zip(loaded.names, loaded.shapes, strict=True))
        if min(shape[:2]) < size
    }
    if len(left_out) == len(loaded.names) or (left_out and getattr(data, "on_error", "stop") == "stop"):
        least = min(min(shape[:2]) for shape in loaded.shapes)
        raise DataError(
            f"{label}: {len(left_out):,} of {len(loaded.names):,} images are too small, the first "
            f"{left_out[min(left_out)]}; take a smaller data.image_size (the shortest side is {least}), "
            "enlarge them by data.fit = 'crop', or remove them or leave them out with --set data.on_error=skip"
        )
    places = patch_grid(loaded.shapes, size, most=data.patches_per_image or _PATCHES_PER_IMAGE, without=left_out)
    patches = Patches(loaded.images, loaded.shapes, places, size, reduce=data.reduce or 1.0)
    names, of_image = [], []
    for image, top, left in places.tolist():
        name = loaded.names[image]
        names.append(name if loaded.shapes[image][:2] == (size, size) else f"{name}/y{top:04d}x{left:04d}")
        of_image.append(name if groups is None else groups[image])
    remark = (
        f"{len(names):,} patches of {size}×{size} pixels from {len(loaded.names) - len(left_out):,} images at their "
        "native size: for training drawn anew in every epoch, for validation and test always the same"
    )
    return ImageSet.of(
        patches,
        names,
        of_image,
        label=f"{label}, patches",
        card=card,
        skipped=(*loaded.skipped, *left_out.values()),
        digest=patches.digest(loaded.digest),
        remarks=(remark, *loaded.remarks),
    )


def kept_groups(names: Sequence[str], groups: Sequence[str] | None, kept: Sequence[str]) -> tuple[str, ...] | None:
    """Return the groups of the names that were kept."""
    if groups is None:
        return None
    group_of = dict(zip(names, groups, strict=True))
    return tuple(group_of[name] for name in kept)


SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".heic", ".heif")
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
        # As a labels file has them, which may come from Windows and holds no bytes that are no UTF-8.
        written = [readable(name).replace("\\", "/") for name in names]
        groups = read_groups(root / data.labels, data.group_column, written)
    keep = limit_indices(names, groups, limit=data.limit, seed=data.split_seed)
    names, groups = [names[index] for index in keep], None if groups is None else [groups[index] for index in keep]
    loaded = load_files(
        root, {name: name for name in names}, data, kind="folder", cache=len(names) >= _CACHE_FROM, progress=progress
    )
    if not loaded.names:
        raise DataError(f"{root} has no usable image and {len(loaded.skipped)} broken; at least one is needed")
    groups = kept_groups(names, groups, loaded.names)
    return image_set(loaded, data, groups, label=f"folder:{root.resolve().name}", card="folder")


def _image_names(root: Path) -> list[str]:
    """Return the paths of the image files relative to ``root``, with ``/``, sorted."""
    if not root.is_dir():
        what = "is a file, not a folder" if root.exists() else "does not exist"
        raise DataError(f"the image folder {root} {what}; data.path names a folder of {', '.join(SUFFIXES)} files")
    names = list(files_in(root, SUFFIXES))
    if not names:
        raise DataError(f"no images in {root} or its subfolders; looked for {', '.join(SUFFIXES)}")
    return names


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
    label = "ffhq" if count == COUNT else f"ffhq ({count:,} of {COUNT:,})"
    return image_set(loaded, data, None, label=label, card="ffhq")


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


def data_card(name: str) -> str:
    """Return the data card of a source, or the one called ``ethics``, as Markdown.

    A source that comes without a card has its docstring for one. Raises ``DataError`` listing the names there are.
    """
    cards = {path.stem: path for path in shipped_folder("data_cards").glob("*.md")}
    if name in cards:
        return cards[name].read_text(encoding="utf-8")
    if name in SOURCES:
        return f"# {name}: {SOURCES[name].about}\n\n{inspect.getdoc(SOURCES[name])}\n"
    raise DataError(f"there is no data card {name!r}; there are: {', '.join(sorted({*cards, *SOURCES}))}")


def load_array(data: ArrayData, *, progress: Progress | None = None) -> ImageSet:
    """Return the images that a run kept of those it was given in Python: all but the ones it was trained on.

    Raises ``DataError`` where none are kept.
    """
    if data.path is None or not Path(data.path).is_file():
        raise DataError(
            "the images of this run were given in Python and are not kept; give them again with images=, or name "
            "others with --data"
        )
    return load_given(Path(data.path))


def save_given(path: Path, images: ImageSet, splits: Mapping[str, np.ndarray]) -> None:
    """Keep the validation and test images of an array beside its run, under the fingerprint of all of them."""
    kept = np.concatenate([splits["validation"], splits["test"]]).astype(np.int64)
    arrays = {"images": images.images[kept], "names": np.array([images.names[place] for place in kept], np.str_)}
    if images.groups is not None:
        arrays["groups"] = np.array([images.groups[place] for place in kept], np.str_)
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, validation=len(splits["validation"]), fingerprint=images.fingerprint, **arrays)


def load_given(path: Path) -> ImageSet:
    """Return what ``save_given`` kept; raises ``DataError`` where the file is broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            count, validation = len(stored["images"]), int(stored["validation"])
            groups = [str(one) for one in stored["groups"]] if "groups" in stored.files else None
            splits = {"validation": np.arange(validation), "test": np.arange(validation, count)}
            found = ImageSet.from_array(
                stored["images"], groups, [str(name) for name in stored["names"]], splits=splits
            )
            return replace(found, fingerprint=str(stored["fingerprint"]))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read ({error}); train again, or name other images with --data") from None


def load_images(data: ImageSource, *, progress: Progress | None = None) -> ImageSet:
    """Return the images that the ``[data]`` section of a recipe asks for, ``data.limit`` of them at most.

    ``progress(done, total)`` is called as files are decoded; not at all where a cache has them.
    Raises ``DataError`` where the images are missing, broken or too few.
    """
    if not isinstance(data, ImageSource):
        known = ", ".join(kind.__name__ for kind in SOURCES.values())
        raise DataError(f"{type(data).__name__} is no source of images; known are {known}")
    module, _, name = data.loader.partition(":")
    return getattr(import_module(module), name)(data, progress=progress)
