"""``.kae`` files → image files, in batches."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath

from kerasae.codec.codec import Codec
from kerasae.codec.compressing import refuse_existing
from kerasae.codec.container import Packed
from kerasae.codec.image_paths import SUFFIXES
from kerasae.data.images import write_image
from kerasae.errors import CodecError

_IMAGES_AT_ONCE = 256
_PIXELS_AT_ONCE = 2**25


def decompress_files(
    codec_of: Callable[[bytes], Codec],
    packed: dict[str, Packed],
    out: str | Path,
    *,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[Path, ...]:
    """Decode images to PNG files in the folder ``out``, or, where it ends in an image's suffix, the one image to it.

    ``codec_of`` returns the codec of a fingerprint. Raises ``CodecError`` where an output exists and not ``force``,
    before anything is decoded, and where a payload is damaged.
    """
    out = Path(out)
    one_file = out.suffix.lower() in SUFFIXES and not out.is_dir()
    if one_file and len(packed) > 1:
        raise CodecError(f"{out} is one file and there are {len(packed)} images; name a folder with -o")
    targets = {name: out if one_file else out / f"{_safe(name)}.png" for name in packed}
    if not force:
        refuse_existing(targets.values())
    done = 0
    with ThreadPoolExecutor() as pool:
        writing: list = []
        for fingerprint, names in _batches(packed):
            images = codec_of(fingerprint).unpack([packed[name] for name in names])
            _make_folders({targets[name].parent for name in names})
            # The last batch is on the disk before the next but one is decoded: no more than two wait in memory.
            for future in writing:
                future.result()
            writing = [
                pool.submit(write_image, targets[name], image) for name, image in zip(names, images, strict=True)
            ]
            done += len(names)
            if progress:
                progress(done, len(packed))
        for future in writing:
            future.result()
    return tuple(targets.values())


def _make_folders(folders: set[Path]) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CodecError(f"{folder} cannot be made a folder: {error.strerror}; write elsewhere with -o") from None


def _batches(packed: dict[str, Packed]) -> Iterator[tuple[bytes, list[str]]]:
    names: list[str] = []
    pixels = 0
    for name, one in packed.items():
        other = names and packed[names[0]].fingerprint != one.fingerprint
        if other or len(names) == _IMAGES_AT_ONCE or (names and pixels + one.height * one.width > _PIXELS_AT_ONCE):
            yield packed[names[0]].fingerprint, names
            names, pixels = [], 0
        names.append(name)
        pixels += one.height * one.width
    if names:
        yield packed[names[0]].fingerprint, names


def _safe(name: str) -> str:
    """Return a name from an archive as a path that stays inside the output folder, each path of one name only."""
    path = PurePosixPath(name)
    outside = path.is_absolute() or ".." in path.parts or "\0" in name or name in ("", ".") or str(path) != name
    # What Windows reads as a drive or a folder is elsewhere a letter like any other.
    if outside or (os.name == "nt" and any(letter in name for letter in ":\\")):
        raise CodecError(f"the archive names an image {name!r}, which is no plain path inside the output folder")
    return name
