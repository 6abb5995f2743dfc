"""Image files → ``.kae`` files, in batches."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from kerasae.atomic import replacing
from kerasae.codec.archive import pack_archive
from kerasae.codec.codec import Codec
from kerasae.codec.container import Packed, pack
from kerasae.codec.image_paths import SUFFIXES, image_paths
from kerasae.codec.target import pack_to_bytes, pack_to_psnr
from kerasae.data.images import read_image
from kerasae.errors import CodecError

# Read, coded and written together: enough for full batches, little enough for memory.
_IMAGES_AT_ONCE = 256
_PIXELS_AT_ONCE = 2**25


@dataclass(frozen=True)
class Compressed:
    """What became of the images: ``bytes_written`` of all files, ``pixels`` and ``escapes`` summed over images.

    ``steps`` are the finest and the coarsest step that was taken.
    """

    images: int
    pixels: int
    raw_bytes: int
    bytes_written: int
    escapes: int
    steps: tuple[int, int]
    outputs: tuple[Path, ...]


def compress_files(
    codec: Codec,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    step: int | None = None,
    target_bytes: int | None = None,
    target_psnr: float | None = None,
    gray: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Compressed:
    """Compress image files, and those in folders, each to a ``.kae`` file in the folder ``out``.

    Where ``out`` ends in ``.kae`` it is the file of the one image, or an archive of several. Colour images are refused
    by a gray model unless ``gray`` takes their luma; transparent pixels are laid over white, EXIF orientation is
    honoured, 16-bit gray becomes 8-bit. Every file is complete under its name or not there. ``target_bytes`` is what
    each file may have at most, ``target_psnr`` the dB that each image is to reach; the step is then searched for every
    image.

    Raises ``CodecError`` where an output exists and not ``force``, before anything is read; ``DataError`` for a file
    that is no image, is broken or animated, and then what was written so far stays.
    """
    paths = image_paths(inputs)
    out = Path(out)
    if out.suffix.lower() in SUFFIXES and not out.is_dir():
        raise CodecError(f"{out} is the name of an image; compressed files end in .kae, and -o may name a folder")
    archive = out.suffix == ".kae" and len(paths) > 1
    targets = {name: out if out.suffix == ".kae" else out / f"{name}.kae" for name in paths}
    if not force:
        refuse_existing(dict.fromkeys(targets.values()))
    packing = _packing(codec, step, target_bytes, target_psnr)
    gathered: dict[str, Packed] = {}
    done = written = raw = pixels = escapes = 0
    steps: set[int] = set()
    with ThreadPoolExecutor() as pool:
        for names, images in _batches(paths, pool, channels=codec.channels, gray=gray):
            packed = dict(zip(names, packing(images, names), strict=True))
            raw += sum(image.size for image in images)
            pixels += sum(image.shape[0] * image.shape[1] for image in images)
            escapes += sum(one.escapes for one in packed.values())
            if archive:
                gathered |= packed
            else:
                files = {targets[name]: pack(one) for name, one in packed.items()}
                written += sum(pool.map(_write, files, files.values()))
            steps |= {one.step for one in packed.values()}
            done += len(names)
            if progress:
                progress(done, len(paths))
    if archive:
        written = _write(out, pack_archive(gathered))
    outputs = (out,) if archive else tuple(targets.values())
    return Compressed(done, pixels, raw, written, escapes, (min(steps), max(steps)), outputs)


def _packing(
    codec: Codec, step: int | None, target_bytes: int | None, target_psnr: float | None
) -> Callable[[list[np.ndarray], list[str]], list[Packed]]:
    if target_bytes is not None:
        return lambda images, names: pack_to_bytes(codec, images, target_bytes, names)
    if target_psnr is not None:
        return lambda images, names: pack_to_psnr(codec, images, target_psnr, names)
    return lambda images, names: codec.pack(images, step=step)


def refuse_existing(targets) -> None:
    """Raise ``CodecError`` where one of ``targets`` is there already."""
    there = [path for path in targets if path.exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise CodecError(f"{there[0]}{more} would be overwritten; pass --force, or write elsewhere with -o")


def _batches(
    paths: dict[str, Path], pool: ThreadPoolExecutor, *, channels: int, gray: bool
) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    """Yield names and images; the next files are read while a batch is coded, many small ones or a few large."""
    left, waiting, ahead = iter(paths.items()), deque(), _IMAGES_AT_ONCE // 8
    names: list[str] = []
    images: list[np.ndarray] = []
    pixels = 0
    try:
        while True:
            for name, path in islice(left, max(0, ahead - len(waiting))):
                waiting.append((name, pool.submit(_read, path, channels, gray)))
            if not waiting:
                break
            name, future = waiting.popleft()
            image = future.result()
            names.append(name)
            images.append(image)
            size = image.shape[0] * image.shape[1]
            pixels += size
            ahead = max(2, min(_IMAGES_AT_ONCE, _PIXELS_AT_ONCE // size))
            if len(images) == _IMAGES_AT_ONCE or pixels >= _PIXELS_AT_ONCE:
                yield names, images
                names, images, pixels = [], [], 0
        if images:
            yield names, images
    finally:
        for _, future in waiting:
            future.cancel()


def _read(path: Path, channels: int, gray: bool) -> np.ndarray:
    if channels == 3:
        return read_image(path, channels=3)
    image = read_image(path, channels=None)
    if image.shape[-1] == 1:
        return image
    # Gray stored as RGB loses nothing.
    if (image == image[..., :1]).all():
        return image[..., :1]
    if not gray:
        raise CodecError(f"{path} is a colour image and the model is gray; pass --gray to compress its luma")
    return read_image(path, channels=1)


def _write(path: Path, content: bytes) -> int:
    try:
        with replacing(path) as partial:
            partial.write_bytes(content)
    except OSError as error:
        raise CodecError(f"{path} cannot be written: {error.strerror or error}; write elsewhere with -o") from None
    return len(content)
