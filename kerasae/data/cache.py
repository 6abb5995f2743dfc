"""Decoded images on disk: decoded once, memory-mapped ever after.

A cache is two files. ``NAME-DIGEST.npy`` holds the pixels, ``(count, height, width, channels)`` uint8; ``NAME.json``
names it and says of what it was made. Both are written to a temporary name and renamed, the JSON last: it is what makes
the cache exist, so a killed program, or two that build at once, leave either a whole cache or none.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.data.splits import pixel_digest
from kerasae.errors import DataError
from kerasae.files import partial_file, read_bytes, refuse_irregular, write_text

# Raise it when decoding changes what comes out, so that caches of older versions are built anew.
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class CachedImages:
    """Images of a cache, their names, which files were left out and why, and ``pixel_digest(images)``."""

    images: np.ndarray
    names: tuple[str, ...]
    skipped: tuple[str, ...]
    digest: str


def cache_folder() -> Path:
    """Return where caches are: ``KERASAE_CACHE``, or ``~/.cache/kerasae``."""
    return Path(os.environ.get("KERASAE_CACHE") or Path.home() / ".cache" / "kerasae").expanduser()


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
    shape: tuple[int, int, int],
    decode: Callable[[list[str]], Iterator[tuple[str, np.ndarray]]],
) -> CachedImages:
    """Return the images from their cache, which is built first where there is none that can be trusted.

    ``settings`` (JSON values) and ``kind`` name the cache; ``source`` says in which state the source files are, and a
    cache made of another state is built anew, as is one whose pixels have changed. ``decode(skipped)`` yields pairs of
    name and uint8 image of ``shape`` (height, width, channels), and appends to ``skipped``.

    Raises ``DataError`` where the folder cannot be written to or is full, and what ``decode`` raises.
    """
    key = hashlib.blake2b(json.dumps([_FORMAT, settings], sort_keys=True).encode(), digest_size=8).hexdigest()
    index = cache_folder() / f"{kind}-{key}.json"
    found = _load(index, source)
    if found is not None:
        return found
    try:
        index.parent.mkdir(parents=True, exist_ok=True)
        return _build(index, source, shape, decode)
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
        names, skipped = tuple(said["names"]), tuple(said["skipped"])
        # Reading all of it costs about a second per gigabyte, and a flipped bit is noticed.
        whole = images.dtype == np.uint8 and len(names) == len(images) and pixel_digest(images) == said["digest"]
        return CachedImages(images, names, skipped, said["digest"]) if whole else None
    # Whatever is wrong with a cache, the cure is the same.
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _build(
    index: Path,
    source: str,
    shape: tuple[int, int, int],
    decode: Callable[[list[str]], Iterator[tuple[str, np.ndarray]]],
) -> CachedImages:
    skipped: list[str] = []
    names: list[str] = []
    replaced = _pixels_file(index)
    with partial_file(index.parent, ".npy") as partial:
        # Written, not memory-mapped: on a full disk a write fails with an error, a memory map with a crash.
        with partial.open("wb") as file:
            _write_header(file, (0, *shape))
            hasher = hashlib.blake2b(digest_size=16)
            for name, image in decode(skipped):
                names.append(name)
                pixels = image.tobytes()
                file.write(pixels)
                hasher.update(pixels)
            file.seek(0)
            _write_header(file, (len(names), *shape))
            hasher.update(repr((len(names), *shape)).encode())
        digest = hasher.hexdigest()
        pixels_path = index.with_name(f"{index.stem}-{digest[:16]}.npy")
        os.replace(partial, pixels_path)
    images = np.lib.format.open_memmap(pixels_path, mode="r")
    content = {"source": source, "pixels": pixels_path.name, "digest": digest, "names": names, "skipped": skipped}
    write_text(index, json.dumps(content))
    if replaced is not None and replaced != pixels_path:
        _remove(replaced)
    return CachedImages(images, tuple(names), tuple(skipped), digest)


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
