"""JPEG, WebP, AVIF, JPEG 2000 and JPEG XL through Pillow: the one place that compresses with it."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from PIL import Image, features
from PIL import __version__ as pillow_version

from kerasae.errors import CodecError

Effort = Literal["best", "default"]


@dataclass(frozen=True)
class Classical:
    """A format with its settings.

    ``settings(quality, effort, channels)`` returns what Pillow's ``save`` is given; ``qualities`` are the usual ones,
    at least six, and ``span`` is what whole qualities there are; ``note`` says what a quality means and what becomes of
    colour.

    Effort ``best`` is what is worth waiting for on thumbnails. AVIF's speed is 4 there: speeds 2 and 0 took 3 and 8
    times as long for 1.5 % less and 0.15 to 0.25 dB more (20 faces of 128×128, Pillow 13). Optimised JPEG is not made
    progressive, which took 7 % more.
    """

    name: str
    format: str
    feature: str | None
    qualities: tuple[float, ...]
    span: tuple[int, int]
    settings: Callable[[float, Effort, int], dict[str, Any]]
    note: str

    def encode(self, image: np.ndarray, quality: float, effort: Effort = "best") -> bytes:
        """Return the file of uint8 ``(height, width, 1 or 3)``."""
        plain = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        buffer = io.BytesIO()
        try:
            plain.save(buffer, format=self.format, **self.settings(quality, effort, image.shape[-1]))
        except (ValueError, OSError, RuntimeError, TypeError) as error:
            height, width = image.shape[:2]
            raise CodecError(f"{self.name} at quality {quality:g} refused {height}×{width} pixels: {error}") from None
        return buffer.getvalue()

    def decode(self, content: bytes, channels: int) -> np.ndarray:
        """Return uint8 ``(height, width, channels)``; what a format widened to RGB comes back as gray."""
        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        return pixels[..., np.newaxis] if channels == 1 else pixels

    def version(self) -> str:
        """Return the versions of Pillow and of the library behind the format."""
        if self.name == "jpegxl":
            from importlib.metadata import version

            return f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"
        return f"Pillow {pillow_version}, {self.feature} {features.version(self.feature)}"


def _jpeg(subsampling: str):
    def settings(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
        return {"quality": int(quality), "subsampling": subsampling} | ({"optimize": True} if effort == "best" else {})

    return settings


def _webp(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
    return {"quality": quality, "method": 6 if effort == "best" else 4}


def _avif(subsampling: str):
    def settings(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
        # Gray keeps Pillow's 4:0:0; asked for any other, it would store empty colours, 2 to 4 % of a thumbnail.
        chosen = subsampling if channels == 3 else "4:0:0"
        return {"quality": int(quality), "subsampling": chosen, "speed": 4 if effort == "best" else 6}

    return settings


def _jpeg2000(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
    settings = {"quality_mode": "dB", "quality_layers": [quality], "irreversible": True}
    # The bare codestream (.j2k): 85 bytes less than the same in a .jp2 file.
    return settings | ({"no_jp2": True} if effort == "best" else {})


def _jpegxl(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
    return {"quality": quality, "effort": 9 if effort == "best" else 7, "lossless": False}


_JPEG = (3, 5, 8, 11, 15, 25, 40, 60, 75, 85, 92, 97)
_WEBP = (0, 2, 5, 10, 20, 35, 50, 65, 80, 90, 97)
_DB = (20, 23, 26, 28, 30, 32, 34, 37, 40, 43, 46)
_JXL = (3, 6, 10, 20, 30, 45, 60, 75, 87, 95)
_AVIF = (2, 5, 10, 20, 30, 40, 50, 60, 75, 90)
_ALL = (1, 100)
CLASSICAL = {
    one.name: one
    for one in (
        Classical("jpeg", "JPEG", "jpg", _JPEG, _ALL, _jpeg("4:2:0"), "quality 1–100; colour 4:2:0"),
        Classical("jpeg-444", "JPEG", "jpg", _JPEG, _ALL, _jpeg("4:4:4"), "quality 1–100; colour 4:4:4"),
        Classical("webp", "WEBP", "webp", _WEBP, (0, 100), _webp, "quality 0–100; always colour 4:2:0"),
        Classical("avif", "AVIF", "avif", _AVIF, _ALL, _avif("4:2:0"), "quality 1–100; gray as 4:0:0, colour 4:2:0"),
        Classical("avif-444", "AVIF", "avif", _AVIF, _ALL, _avif("4:4:4"), "quality 1–100; colour 4:4:4"),
        Classical("jpeg2000", "JPEG2000", "jpg_2000", _DB, (15, 50), _jpeg2000, "quality is the PSNR aimed at, in dB"),
        Classical("jpegxl", "JXL", None, _JXL, (1, 99), _jpegxl, "quality 1–99, lossy"),
    )
}


def classical_codec(name: str) -> Classical:
    """Return the codec of that name. Raises ``CodecError`` where it is unknown or not installed here."""
    if name not in CLASSICAL:
        raise CodecError(f"{name!r} is not a codec; there are {', '.join(CLASSICAL)}")
    codec = CLASSICAL[name]
    if name == "jpegxl":
        try:
            import pillow_jxl  # noqa: F401  registers the format
        except ImportError:
            raise CodecError(
                "JPEG XL needs the plugin for Pillow: pip install 'kerasae[jpegxl]', or leave jpegxl out of --codecs"
            ) from None
    elif not features.check(codec.feature):
        raise CodecError(f"this Pillow ({pillow_version}) was built without {name}; leave it out of --codecs")
    return codec


def installed_codecs() -> list[str]:
    """Return the names of the usual codecs that can run here."""
    found = []
    for name in ("jpeg", "webp", "avif", "jpeg2000", "jpegxl"):
        try:
            classical_codec(name)
        except CodecError:
            continue
        found.append(name)
    return found
