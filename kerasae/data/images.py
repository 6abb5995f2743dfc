"""Image files ↔ arrays, one at a time and many."""

import io
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageCms, ImageOps

from kerasae.errors import DataError
from kerasae.files import partial_file, read_bytes

Fit = Literal["crop", "stretch"]
_SIXTEEN_BIT = ("I;16", "I;16L", "I;16B", "I;16N")
_GRAY = ("1", "L", "LA", "La", *_SIXTEEN_BIT)
_EXIF_ORIENTATION = 0x0112


class Remarks:
    """What is worth saying of image files once they are read; may be shared by threads."""

    def __init__(self):
        self._resized: dict[str, str] = {}
        self._turned: dict[str, str] = {}
        self._profiles: dict[str, str] = {}
        self._left_profiles: dict[str, str] = {}

    def look(self, image: Image.Image, name: str, image_size: int | None) -> None:
        """Take note of what a file says beside its pixels, and whether it is brought to another size."""
        if image_size is not None and image.size != (image_size, image_size):
            self._resized[name] = f" of {image.width}×{image.height}"
        if image.getexif().get(_EXIF_ORIENTATION, 1) in range(2, 9):
            self._turned[name] = ""
        profile, profile_name = _foreign_profile(image)
        if profile_name:
            (self._profiles if profile else self._left_profiles)[name] = f" ({profile_name})"

    def sentences(self) -> tuple[str, ...]:
        """Return a sentence for each kind of thing that was met, naming the first file."""
        met = (
            (
                self._resized,
                "cut or stretched to a square and resized; a codec for images as they are trains on them as they are "
                "with --set data.fit=patches",
            ),
            (self._turned, "turned upright, as the EXIF orientation says"),
            (self._profiles, "with a colour profile other than sRGB, turned into sRGB"),
            (self._left_profiles, "with a colour profile that cannot be applied; colours may come out off"),
        )
        return tuple(
            f"{len(found):,} image{'s' * (len(found) != 1)} {what}; the first: {min(found)}{found[min(found)]}"
            for found, what in met
            if found
        )


def _foreign_profile(image: Image.Image) -> tuple[ImageCms.ImageCmsProfile | None, str]:
    """Return the ICC profile of an image and its name; no name where there is none or it is sRGB.

    There is a name and no profile where it cannot be applied.
    """
    content = image.info.get("icc_profile")
    if not content:
        return None, ""
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
        name = ImageCms.getProfileDescription(profile)
        fits = profile.profile.xcolor_space.strip() == _COLOUR_SPACES.get(image.mode, "RGB")
    # It is damaged, or there is no colour management; the picture is read all the same.
    except Exception:
        return None, "an unreadable one"
    if "sRGB" in name:
        return None, ""
    name = "".join(letter for letter in name.strip() if letter.isprintable())[:60] or "one without a name"
    return profile if fits and image.mode not in _SIXTEEN_BIT else None, name


_COLOUR_SPACES = {"L": "GRAY", "LA": "GRAY", "CMYK": "CMYK"}


def _in_srgb(image: Image.Image) -> Image.Image:
    """Return the picture with its colour profile applied, gray as gray; as it is where there is none to apply."""
    profile, _ = _foreign_profile(image)
    if profile is None:
        return image
    if image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert(image.mode[:-1]) if alpha else image
    turned = ImageCms.profileToProfile(colours, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    turned = turned.convert("L") if image.mode in _GRAY else turned
    if alpha:
        turned.putalpha(alpha)
    return turned


def register_heif() -> bool:
    """Let Pillow read and write HEIC; return False where the plugin is not installed."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


# What follows the length and "ftyp" at the start of a HEIC file.
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")


def read_image(
    path: str | Path,
    *,
    image_size: int | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    remarks: Remarks | None = None,
    in_srgb: bool = True,
) -> np.ndarray:
    """Return the image in a file as uint8, ``(height, width, channels)``, in [0, 255].

    EXIF orientation is honoured; a colour profile other than sRGB is turned into that, unless ``in_srgb`` is False:
    ``remarks`` takes note of both.
    16-bit gray is scaled, 65535 becoming 255. Transparent pixels are laid over white.
    ``channels=1`` takes the luma of a colour image (Pillow's ``L``: 0.299 R + 0.587 G + 0.114 B), ``channels=3``
    repeats gray three times, None keeps what the file has. ``image_size`` and ``fit`` give a square of that many
    pixels: ``crop`` cuts the largest centred square first, ``stretch`` does not cut; resampled with Lanczos, upwards
    too, and not at all where the size is right already.

    Raises ``DataError``, naming file and reason, for files that are missing, broken, animated, or not images.
    """
    path = Path(path)
    try:
        content = read_bytes(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror or error}") from None
    settings = {"image_size": image_size, "channels": channels, "fit": fit, "remarks": remarks, "in_srgb": in_srgb}
    return image_from_bytes(content, name=str(path), **settings)


def is_gray(path: str | Path) -> bool:
    """Return whether a file says that its image is gray, without decoding it; False for what is no image."""
    try:
        with Image.open(path) as image:
            return image.mode in _GRAY
    # What is wrong with a file is said when it is read.
    except Exception:
        return False


def image_from_bytes(
    content: bytes,
    *,
    name: str,
    image_size: int | None = None,
    channels: int | None = None,
    fit: Fit = "crop",
    remarks: Remarks | None = None,
    in_srgb: bool = True,
) -> np.ndarray:
    """Return what ``read_image`` returns, of a file's content; ``name`` stands in the error."""
    if content[4:8] == b"ftyp" and content[8:12] in _HEIC and not register_heif():
        raise DataError(f"{name} is a HEIC file, which needs a plugin for Pillow: pip install 'kerasae[heif]'")
    try:
        with Image.open(io.BytesIO(content)) as image:
            # A phone's JPEG may hold a second picture (MPO); its first is the photograph. Anything else with several
            # pictures is an animation or a stack, and taking one of them would be a guess.
            if getattr(image, "n_frames", 1) > 1 and image.format != "MPO":
                raise DataError(
                    f"{name} holds {image.n_frames} pictures (an animation or a stack); "
                    "kerasae reads files with one picture: extract the one you mean"
                )
            if remarks is not None:
                remarks.look(image, name, image_size)
            upright = ImageOps.exif_transpose(image)
            plain = _plain(_in_srgb(upright) if in_srgb else upright, channels, name)
    except DataError:
        raise
    # Pillow's decoders let nearly every kind of exception out of a damaged file.
    except Exception as error:
        reason = "is empty" if not content else f"is not a readable image: {_reason(error)}"
        raise DataError(f"{name} {reason}") from None
    return _array(_fitted(plain, image_size, fit))


def image_from_pixels(
    pixels: np.ndarray, *, image_size: int | None = None, channels: int | None = None, fit: Fit = "crop"
) -> np.ndarray:
    """Return uint8 pixels, ``(height, width, 1 or 3)``, in other channels or size, as ``read_image`` does."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[-1] not in (1, 3):
        raise DataError(
            f"pixels of shape {pixels.shape} and type {pixels.dtype} are not an image; "
            "kerasae takes uint8 of (height, width, 1) or (height, width, 3)"
        )
    plain = _plain(Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels), channels, "pixels")
    return _array(_fitted(plain, image_size, fit))


def shrink(pixels: np.ndarray, *, height: int, width: int) -> np.ndarray:
    """Return smaller uint8 pixels, ``(height, width, channels)``, each the mean of the area that it covers."""
    if pixels.shape[:2] == (height, width):
        return pixels
    plain = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    return _array(plain.resize((width, height), Image.Resampling.BOX))


def write_image(path: str | Path, pixels: np.ndarray) -> None:
    """Write uint8 pixels, ``(height, width, 1 or 3)``, in the format of the suffix (``.png`` loses nothing).

    Written to a temporary name and renamed, so that a killed program leaves no half image.
    Raises ``DataError`` where the format is unknown or the place cannot be written to.
    """
    path = Path(path)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise DataError(f"{path}: no image format with the suffix {path.suffix!r} can be written; use .png")
    plain = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    try:
        with partial_file(path.parent, path.suffix) as partial:
            plain.save(partial, format=kind)
            os.replace(partial, path)
    # Formats refuse what they cannot hold, such as a side beyond WebP's 16,383, with exceptions of several kinds.
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"{path} cannot be written: {getattr(error, 'strerror', None) or error}") from None


def _plain(image: Image.Image, channels: int | None, name: str) -> Image.Image:
    """Return the picture in mode L or RGB."""
    if image.mode in ("I", "F"):
        raise DataError(
            f"{name} holds {'32-bit' if image.mode == 'I' else 'floating-point'} gray, whose range the file does not "
            "state; save it with 8 or 16 bits"
        )
    wanted = {1: "L", 3: "RGB", None: "L" if image.mode in _GRAY else "RGB"}[channels]
    if image.mode in _SIXTEEN_BIT:
        # Pillow's own conversion clips at 255, which turns nearly every 16-bit image white.
        deep = np.asarray(image).astype(np.uint32)
        image = Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    elif "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa"):
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image if image.mode == wanted else image.convert(wanted)


def _fitted(image: Image.Image, image_size: int | None, fit: Fit) -> Image.Image:
    if image_size is None:
        return image
    width, height = image.size
    if fit == "crop" and width != height:
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size == (image_size, image_size):
        return image
    return image.resize((image_size, image_size), Image.Resampling.LANCZOS)


def _array(image: Image.Image) -> np.ndarray:
    pixels = np.array(image, dtype=np.uint8)
    return pixels[..., np.newaxis] if pixels.ndim == 2 else pixels


def _reason(error: Exception) -> str:
    """Return why a file was refused, without Pillow's mention of the buffer it was read from."""
    if isinstance(error, Image.UnidentifiedImageError):
        return "its content is no image format known here"
    return str(error) or type(error).__name__


Progress = Callable[[int, int], None]
# Bounds what waits in memory, decoded but not yet taken: 512 images of 128×128 RGB are 25 MB, as are 8 of a megapixel.
_AT_ONCE, _WHOLE_AT_ONCE = 512, 8


def decode(
    names: Sequence[str],
    read: Callable[[str], np.ndarray],
    *,
    on_error: Literal["stop", "skip"],
    skipped: list[str],
    progress: Progress | None = None,
    whole: bool = False,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``(name, image)`` in the order of ``names``; ``read`` returns an image or raises ``DataError``.

    With ``on_error="skip"`` a broken file is appended to ``skipped`` as ``name: why`` and left out; with ``stop`` the
    ``DataError`` goes on, saying how to skip. ``progress(done, total)`` is called as the work goes on. ``whole`` is for
    images of their native size, of which fewer may wait in memory.
    """
    at_once = _WHOLE_AT_ONCE if whole else _AT_ONCE

    def attempt(name: str) -> np.ndarray | DataError:
        try:
            return read(name)
        except DataError as error:
            return error

    with ThreadPoolExecutor(max_workers=min(16, (os.cpu_count() or 1) + 1)) as pool:
        for start in range(0, len(names), at_once):
            batch = names[start : start + at_once]
            for name, result in zip(batch, pool.map(attempt, batch), strict=True):
                if not isinstance(result, DataError):
                    yield name, result
                elif on_error == "skip":
                    skipped.append(f"{name}: {result}")
                else:
                    raise DataError(f"{result}; repair or remove it, or leave it out with --set data.on_error=skip")
            if progress is not None:
                progress(min(start + at_once, len(names)), len(names))
