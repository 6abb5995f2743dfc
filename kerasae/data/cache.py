"""Decoded images on disk, decoded once and memory-mapped ever after; and patches of images of any size.

A cache is two files. ``NAME-DIGEST.npy`` holds the pixels, uint8 ``(count, height, width, channels)``, or flat, one
image after another, where each has a size of its own; ``NAME.json`` names it and says of what it was made. Both are
written to a temporary name and renamed, the JSON last: it is what makes the cache exist, so a killed program, or two
that build at once, leave either a whole cache or none.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.data.images import shrink
from kerasae.data.splits import pixel_digest
from kerasae.errors import DataError
from kerasae.files import partial_file, read_bytes, refuse_irregular, write_text
from kerasae.runtime import cache_folder

# Raise it when decoding changes what comes out, so that caches of older versions are built anew.
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class CachedImages:
    """Images of a cache, their names, which files were left out and why, and ``pixel_digest(images)``.

    Images of different sizes are flat, one after another, and ``shapes`` has the (height, width, channels) of each.
    ``remarks`` are sentences on what was met in the files.
    """

    images: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    digest: str
    shapes: tuple[tuple[int, int, int], ...] | None = None
    remarks: tuple[str, ...] = ()


def file_states(root: Path, names: Iterable[str]) -> str:
    """Return 32 hexadecimal digits over what the system says of each file: a stale cache differs.

    Over name, size and the times of change of content and of the file's entry: a file put in the place of another may
    bring its size and the former time along, never the latter. Raises ``DataError`` for what cannot be read, a pipe or
    a device.
    """
    hasher = hashlib.blake2b(digest_size=16)
    for name in names:
        try:
            refuse_irregular(root / name)
            state = os.stat(root / name)
        except OSError as error:
            raise DataError(f"{root / name} cannot be read: {error.strerror or error}") from None
        times = f"{state.st_size}\0{state.st_mtime_ns}\0{state.st_ctime_ns}"
        hasher.update(f"{name}\0{times}\0".encode("utf-8", "surrogateescape"))
    return hasher.hexdigest()


def cached(
    kind: str,
    settings: dict[str, Any],
    *,
    source: str,
    shape: tuple[int, int, int] | None,
    decode: Callable[[list[str]], Iterator[tuple[str, np.ndarray]]],
    remarks: Callable[[], Sequence[str]] = tuple,
) -> CachedImages:
    """Return the images from their cache, which is built first where there is none that can be trusted.

    ``settings`` (JSON values) and ``kind`` name the cache; ``source`` says in which state the source files are, and a
    cache made of another state is built anew, as is one whose pixels have changed. ``decode(skipped)`` yields pairs of
    name and uint8 image of ``shape`` (height, width, channels), None for any, and appends to ``skipped``; ``remarks``
    is asked when all are decoded.

    Raises ``DataError`` where the folder cannot be written to or is full, and what ``decode`` raises.
    """
    key = hashlib.blake2b(json.dumps([_FORMAT, settings], sort_keys=True).encode(), digest_size=8).hexdigest()
    index = cache_folder() / f"{kind}-{key}.json"
    found = _load(index, source)
    if found is not None:
        return found
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        return _build(index, source, shape, decode, remarks)
    except OSError as error:
        raise DataError(
            f"the decoded images cannot be written to {index.parent}: {error.strerror or error}; "
            "name another folder in the environment variable KERASAE_CACHE"
        ) from None


def _load(index: Path, source: str) -> CachedImages | None:
    """Return a cache that is whole and made of this source, else None."""
    try:
        said = json.loads(read_bytes(index))
        if said["source"] != source:
            return None
        images = np.lib.format.open_memmap(index.parent / said["pixels"], mode="r")
        names, skipped, remarks = (tuple(said.get(key, ())) for key in ("names", "skipped", "remarks"))
        shapes = tuple(map(tuple, said["shapes"])) if "shapes" in said else None
        fitting = len(names) == len(images)
        if shapes is not None:
            fitting = len(names) == len(shapes) and sum(map(math.prod, shapes)) == len(images)
        # Reading all of it costs about a second per gigabyte, and a flipped bit is noticed.
        whole = images.dtype == np.uint8 and fitting and pixel_digest(images) == said["digest"]
        return CachedImages(images, names, skipped, said["digest"], shapes, remarks) if whole else None
    # Whatever is wrong with a cache, the cure is the same.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _build(
    index: Path,
    source: str,
    shape: tuple[int, int, int] | None,
    decode: Callable[[list[str]], Iterator[tuple[str, np.ndarray]]],
    remarks: Callable[[], Sequence[str]],
) -> CachedImages:
    skipped: list[str] = []
    names: list[str] = []
    shapes: list[tuple[int, ...]] = []
    replaced = _pixels_file(index)
    with partial_file(index.parent, ".npy") as partial:
        # Written, not memory-mapped: on a full disk a write fails with an error, a memory map with a crash.
        with partial.open("wb") as file:
            _write_header(file, (0, *(shape or ())))
            hasher = hashlib.blake2b(digest_size=16)
            for name, image in decode(skipped):
                names.append(name)
                shapes.append(image.shape)
                pixels = image.tobytes()
                file.write(pixels)
                hasher.update(pixels)
            whole = (len(names), *shape) if shape else (sum(map(math.prod, shapes)),)
            file.seek(0)
            _write_header(file, whole)
            hasher.update(repr(whole).encode())
        digest = hasher.hexdigest()
        pixels_path = index.with_name(f"{index.stem}-{digest[:16]}.npy")
        os.replace(partial, pixels_path)
    images = np.lib.format.open_memmap(pixels_path, mode="r")
    content = {"source": source, "pixels": pixels_path.name, "digest": digest, "names": names, "skipped": skipped}
    content |= {"remarks": list(remarks())} | ({} if shape else {"shapes": shapes})
    write_text(index, json.dumps(content))
    if replaced is not None and replaced != pixels_path:
        _remove(replaced)
    own = None if shape else tuple(shapes)
    return CachedImages(images, tuple(names), tuple(skipped), digest, own, tuple(content["remarks"]))


def _write_header(file: Any, shape: Sequence[int]) -> None:
    """Write the .npy header; it takes the same room for every count, so it can be corrected afterwards."""
    header = {"descr": "|u1", "fortran_order": False, "shape": tuple(shape)}
    np.lib.format.write_array_header_1_0(file, header)


def _pixels_file(index: Path) -> Path | None:
    """Return the pixels that a cache about to be replaced speaks of, so that they do not stay behind."""
    try:
        return index.parent / Path(json.loads(read_bytes(index))["pixels"]).name
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError:
        # Another program has it open on a system that forbids removal; it only costs room.
        return


class Patches:
    """Square patches of images of any size, as an array ``(count, size, size, channels)`` uint8 that is never made.

    Indexed as an array it gives every patch where it stands by itself; ``drawn`` moves it to anywhere in its image, and
    takes it from a square up to ``reduce`` times as wide.

    Args:
        pixels: uint8, flat, one image after another; perhaps a memory map.
        shapes: (height, width, channels) of each image, no side shorter than ``size``.
        places: image, top and left of each patch, ``(count, 3)``, in pixels.
        size: side of the patches in pixels.
        reduce: by how much, at most, a patch is reduced when it is drawn; 1 or more.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(
        self,
        pixels: np.ndarray,
        shapes: Sequence[tuple[int, int, int]],
        places: np.ndarray,
        size: int,
        *,
        reduce: float = 1.0,
    ):
        # A view without the class: every slice of a memory map pays for being one.
        self.pixels = np.asarray(pixels)
        self.shapes = [tuple(shape) for shape in shapes]
        self.places = np.asarray(places, np.int64).reshape(-1, 3)
        self.shape = (len(self.places), size, size, self.shapes[0][2])
        self.reduce = reduce
        self._ends = np.cumsum([math.prod(shape) for shape in self.shapes])
        self._drawn: tuple[tuple[int, int], np.ndarray] | None = None

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index) -> np.ndarray:
        places = self.places[index]
        return self._cut(places) if places.ndim == 2 else self._cut(places[None])[0]

    def drawn(self, indexes: np.ndarray, *, seed: int, epoch: int) -> np.ndarray:
        """Return patches ``(len(indexes), size, size, channels)``, each from anywhere in its image.

        ``seed``, ``epoch`` and the index alone decide where: the same whichever patches are asked for together.
        """
        if self._drawn is None or self._drawn[0] != (seed, epoch):
            random = np.random.Generator(np.random.PCG64([seed, epoch, 0xC409]))
            sides = np.array([shape[:2] for shape in self.shapes])[self.places[:, 0]]
            size = np.full(len(sides), self.shape[1])
            if self.reduce > 1:
                factors = self.reduce ** random.random(len(sides))
                size = np.minimum(np.rint(size * factors).astype(int), sides.min(axis=1))
            places = random.integers(0, sides - size[:, None] + 1)
            self._drawn = (seed, epoch), np.column_stack([self.places[:, 0], places, size])
        return self._cut(self._drawn[1][indexes])

    def digest(self, pixels: str) -> str:
        """Return 32 hexadecimal digits over what there is to be seen; ``pixels`` is ``pixel_digest`` of the pixels."""
        hasher = hashlib.blake2b(pixels.encode(), digest_size=16)
        hasher.update(repr((self.shape, self.shapes)).encode() + self.places.astype("<i8").tobytes())
        return hasher.hexdigest()

    def _cut(self, places: np.ndarray) -> np.ndarray:
        size = self.shape[1]
        patches = np.empty((len(places), *self.shape[1:]), np.uint8)
        for patch, (image, top, left, *side) in zip(patches, places.tolist(), strict=True):
            shape, end = self.shapes[image], self._ends[image]
            whole = self.pixels[end - math.prod(shape) : end].reshape(shape)
            (side,) = side or (size,)
            square = whole[top : top + side, left : left + side]
            patch[:] = shrink(square, height=size, width=size)
        return patches


def patch_grid(
    shapes: Sequence[tuple[int, int, int]], size: int, *, most: int, without: Container[int] = ()
) -> np.ndarray:
    """Return image, top and left of patches that stand side by side in the middle of their image, ``(count, 3)``.

    Of more than ``most`` in an image so many are taken, evenly from all of it; none of the images in ``without``.
    """
    found = []
    for image, (height, width, _) in enumerate(shapes):
        if image in without:
            continue
        rows, columns = height // size, width // size
        count = min(most, rows * columns)
        row, column = np.divmod((2 * np.arange(count) + 1) * rows * columns // (2 * count), columns)
        top, left = (height - rows * size) // 2 + row * size, (width - columns * size) // 2 + column * size
        found.append(np.column_stack([np.full(count, image), top, left]))
    return np.concatenate(found)
