"""Image files ↔ ``.kae`` files, in batches."""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from kerasae.codec.codec import Codec, pack_to_bytes, pack_to_psnr
from kerasae.codec.container import (
    ARCHIVE,
    Packed,
    check_size,
    file_bytes,
    kind_of,
    pack,
    pack_archive,
    unpack,
    unpack_archive,
)
from kerasae.codec.frozen import FILE, Frozen
from kerasae.data import is_gray, read_image, write_image
from kerasae.data.images import Remarks
from kerasae.errors import CodecError
from kerasae.files import files_in, read_bytes, replacing
from kerasae.training import Run, list_runs, runs_folder, shipped_runs

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".gif", ".avif", ".jp2", ".heic", ".heif")


def image_paths(inputs: Sequence[str | Path], *, suffixes: Sequence[str] = SUFFIXES) -> dict[str, Path]:
    """Return name → path: of a file its name without the ending, of a folder the path inside it.

    Folders give the files with one of ``suffixes``, hidden ones passed over, in order of their names.
    Raises ``CodecError`` where an input is missing, a folder holds none, or two files would have one name.
    """
    found: dict[str, Path] = {}
    for given in map(Path, inputs):
        if not given.exists():
            raise CodecError(f"{given} does not exist; name files ending in {', '.join(suffixes)}, or folders of them")
        inside = _in_folder(given, suffixes) if given.is_dir() else {given.stem: given}
        if not inside:
            raise CodecError(f"{given} holds no files ending in {', '.join(suffixes)}")
        for name, path in inside.items():
            if name in found:
                raise CodecError(
                    f"{found[name]} and {path} would both be called {name!r}; take them in two calls, to two folders"
                )
            found[name] = path
    if not found:
        raise CodecError("there is nothing to do: name image files or folders of them")
    return found


def _in_folder(root: Path, suffixes: Sequence[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for inside, path in files_in(root, suffixes).items():
        name = PurePosixPath(inside).with_suffix("").as_posix()
        if name in found:
            raise CodecError(f"{found[name]} and {path} would both be called {name!r}; rename one of them")
        found[name] = path
    return found


# The shipped codecs, for colour and for gray.
SHIPPED = ("photos", "photos_gray")


def shipped_for(inputs: Sequence[str | Path]) -> str:
    """Return the name of the shipped codec for these images: that for gray, if there is one, where all of them are.

    Raises ``CodecError`` where an image is not there, or none ships.
    """
    paths, shipped = image_paths(inputs).values(), {run.name for run in shipped_runs()}
    colour, gray = SHIPPED
    if colour not in shipped:
        raise CodecError(
            "no run is named, and no codec comes with this kerasae; name a run before the images: "
            "kerasae compress latest IMAGE..."
        )
    return gray if gray in shipped and all(is_gray(path) for path in paths) else colour


def read_packed(inputs: Sequence[str | Path]) -> dict[str, Packed]:
    """Return the images of ``.kae`` files, archives and folders of them, by name, not decoded yet.

    Raises ``CodecError`` where a file is missing or damaged, or two images have one name.
    """
    found: dict[str, Packed] = {}
    for name, path in image_paths(inputs, suffixes=(".kae",)).items():
        try:
            content = read_bytes(path)
        except OSError as error:
            raise CodecError(f"{path} cannot be read: {error.strerror or error}") from None
        single = kind_of(content) != ARCHIVE
        inside = {name: unpack(content, str(path))} if single else unpack_archive(content, str(path))
        for inner, packed in inside.items():
            if inner in found:
                raise CodecError(f"{path} holds {inner!r}, which another file holds too; decompress them in two calls")
            found[inner] = packed
    return found


def find_run(fingerprint: bytes, runs: str | Path | None = None) -> Run:
    """Return the run whose frozen tables have this fingerprint, or one that begins like it.

    Raises ``CodecError`` where there is none among those that are shipped or in the folder of runs.
    """
    for run in [*shipped_runs(), *reversed(list_runs(runs))]:
        if (fingerprint_of(run) or b"").startswith(fingerprint):
            return run
    raise CodecError(
        f"no run in {runs_folder(runs)} has the fingerprint {fingerprint.hex()}; the model that wrote a file is needed "
        "to read it: name its run with --run, or its folder with --runs"
    )


def fingerprint_of(run: Run) -> bytes | None:
    """Return the fingerprint of a run's files, 4 bytes, None where it is not frozen."""
    path = run.folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return bytes.fromhex(str(file["digest"])[:8])
    # NumPy and zipfile let nearly every kind of exception out of a damaged file.
    except Exception:
        return None


def inspect_packed(name: str, packed: Packed, frozen: Frozen | None) -> dict[str, Any]:
    """Return a row fit for JSON: sizes, and with what was frozen of the model the estimated bits of each channel.

    ``bytes`` is that of the image as a file of its own; ``quality``, and a size that is the model's usual one, are
    known with what was frozen, else None. Raises ``CodecError`` where the payload is damaged or ``frozen`` of another
    model.
    """
    size = file_bytes(packed)
    packed = packed if frozen is None else _completed(frozen, packed, name)
    row: dict[str, Any] = {
        "name": name,
        "height": packed.height or None,
        "width": packed.width or None,
        "channels": packed.channels,
        "quality": None if frozen is None else frozen.qualities[packed.step],
        "bytes": size,
        "payload_bytes": len(packed.payload),
        "bits_per_pixel": 8 * size / (packed.height * packed.width) if packed.height else None,
    }
    if frozen is None:
        return row
    quantized = frozen.quantized([packed])
    bits, escapes = frozen.levels[packed.step].bits_and_escapes(quantized)
    return row | {
        "positions": quantized.integers[0, ..., 0].size,
        "escapes": int(escapes.sum()),
        "estimated_bits": float(bits.sum()),
        "bits_per_channel": [round(float(value), 2) for value in bits[0]],
    }


# Read, coded and written together: enough for full batches, little enough for memory.
_IMAGES_AT_ONCE = 256
_PIXELS_AT_ONCE = 2**25


@dataclass(frozen=True)
class Compressed:
    """What became of the images: ``bytes_written`` of all files, ``pixels`` and ``escapes`` summed over images.

    ``steps`` are the finest and the coarsest step that was taken, ``remarks`` sentences on what the files said beside
    their pixels.
    """

    images: int
    pixels: int
    raw_bytes: int
    bytes_written: int
    escapes: int
    steps: tuple[int, int]
    outputs: tuple[Path, ...]
    remarks: tuple[str, ...] = ()

    def as_dict(self, qualities: Sequence[float], seconds: float) -> dict[str, Any]:
        """Return a row fit for JSON; ``qualities`` are those of the frozen model, ``seconds`` what it all took.

        ``quality`` is the highest that was taken, ``lowest_quality`` the lowest.
        """
        finest, coarsest = self.steps
        return {
            "quality": qualities[finest],
            "lowest_quality": qualities[coarsest],
            "images": self.images,
            "pixels": self.pixels,
            "bytes": self.bytes_written,
            "bits_per_pixel": 8 * self.bytes_written / self.pixels,
            "compression_ratio": self.raw_bytes / self.bytes_written,
            "escapes": self.escapes,
            "images_per_second": self.images / seconds,
            "outputs": [str(path) for path in self.outputs],
        }


def compress_files(
    codec: Codec,
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    step: int | None = None,
    target_bytes: int | None = None,
    target_psnr: float | None = None,
    effort: int = 0,
    gray: bool = False,
    force: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Compressed:
    """Compress image files, and those in folders, each to a ``.kae`` file in the folder ``out``.

    Where ``out`` ends in ``.kae`` it is the file of the one image, or an archive of several. Colour images are refused
    by a gray model unless ``gray`` takes their luma; transparent pixels are laid over white, EXIF orientation is
    honoured, 16-bit gray becomes 8-bit. Every file is complete under its name or not there. ``target_bytes`` is what
    each file may have at most, ``target_psnr`` the dB that each image is to reach; the step is then searched for every
    image. ``effort`` is that of ``Codec.encode``.

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
    packing = _packing(codec, step, target_bytes, target_psnr, effort)
    gathered: dict[str, Packed] = {}
    done = written = raw = pixels = escapes = 0
    steps: set[int] = set()
    remarks = Remarks()
    with ThreadPoolExecutor() as pool:
        for names, images in _batches(paths, pool, channels=codec.channels, gray=gray, remarks=remarks):
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
    extremes = min(steps), max(steps)
    return Compressed(done, pixels, raw, written, escapes, extremes, outputs, remarks.sentences())


def _packing(
    codec: Codec, step: int | None, target_bytes: int | None, target_psnr: float | None, effort: int
) -> Callable[[list[np.ndarray], list[str]], list[Packed]]:
    if target_bytes is not None:
        return lambda images, names: pack_to_bytes(codec, images, target_bytes, names, effort=effort)
    if target_psnr is not None:
        return lambda images, names: pack_to_psnr(codec, images, target_psnr, names, effort=effort)
    return lambda images, names: codec.pack(images, step=step, effort=effort)


def refuse_existing(targets) -> None:
    """Raise ``CodecError`` where one of ``targets`` is there already."""
    there = [path for path in targets if path.exists()]
    if there:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise CodecError(f"{there[0]}{more} would be overwritten; pass --force, or write elsewhere with -o")


def _batches(
    paths: dict[str, Path], pool: ThreadPoolExecutor, *, channels: int, gray: bool, remarks: Remarks
) -> Iterator[tuple[list[str], list[np.ndarray]]]:
    """Yield names and images; the next files are read while a batch is coded, many small ones or a few large."""
    left, waiting, ahead = iter(paths.items()), deque(), _IMAGES_AT_ONCE // 8
    names: list[str] = []
    images: list[np.ndarray] = []
    pixels = 0
    try:
        while True:
            for name, path in islice(left, max(0, ahead - len(waiting))):
                waiting.append((name, pool.submit(_read, path, channels, gray, remarks)))
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


def _read(path: Path, channels: int, gray: bool, remarks: Remarks) -> np.ndarray:
    if channels == 3:
        image = read_image(path, channels=3, remarks=remarks)
        check_size(*image.shape[:2], str(path))
        return image
    image = read_image(path, channels=None, remarks=remarks)
    check_size(*image.shape[:2], str(path))
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
        packed = {name: _completed(codec_of(one.fingerprint).frozen, one, name) for name, one in packed.items()}
        for fingerprint, names in _packed_batches(packed):
            images = _unpacked(codec_of(fingerprint), packed, names)
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


def _completed(frozen: Frozen, packed: Packed, name: str) -> Packed:
    try:
        return frozen.complete(packed)
    except CodecError as error:
        raise CodecError(f"{name}: {error}") from None


def _unpacked(codec: Codec, packed: dict[str, Packed], names: list[str]) -> list[np.ndarray]:
    try:
        return codec.unpack([packed[name] for name in names])
    except CodecError:
        # Which of them it was shows when each is decoded by itself.
        for name in names:
            try:
                codec.unpack([packed[name]])
            except CodecError as error:
                raise CodecError(f"{name}: {error}") from None
        raise


def _make_folders(folders: set[Path]) -> None:
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise CodecError(f"{folder} cannot be made a folder: {error.strerror}; write elsewhere with -o") from None


def _packed_batches(packed: dict[str, Packed]) -> Iterator[tuple[bytes, list[str]]]:
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
