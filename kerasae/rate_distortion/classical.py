"""JPEG, WebP, AVIF, JPEG 2000 and JPEG XL through Pillow: the one place that compresses with it.

A new codec is one entry of ``CLASSICAL``; one that Pillow does not have is a subclass of ``Classical`` as well.
"""

import io
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from kerasae.errors import CodecError

Effort = Literal["best", "default"]


@dataclass(frozen=True)
class Classical:
    """A format with its settings.

    ``feature`` is Pillow's name of the library behind it. ``settings(quality, effort, channels)`` returns what Pillow's
    ``save`` is given; ``qualities`` are the ones of a curve, at least six, and ``span`` is what whole qualities there
    are. A codec that is not ``usual`` takes part where it is asked for.

    Effort ``best`` is what is worth waiting for on thumbnails. AVIF's speed is 4 there: speeds 2 and 0 took 3 and 8
    times as long for 1.5 % less and 0.15 to 0.25 dB more (20 faces of 128×128, Pillow 13). Optimised JPEG is not made
    progressive, which took 7 % more.
    """

    name: str
    format: str
    feature: str
    qualities: tuple[float, ...]
    span: tuple[int, int]
    settings: Callable[[float, Effort, int], dict[str, Any]]
    usual: bool = True

    def encode(self, image: np.ndarray, quality: float, effort: Effort = "best") -> bytes:
        """Return the file of uint8 ``(height, width, 1 or 3)``."""
        from PIL import Image

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
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
        return pixels[..., np.newaxis] if channels == 1 else pixels

    def version(self) -> str:
        """Return the versions of Pillow and of the library behind the format."""
        import PIL
        from PIL import features

        return f"Pillow {PIL.__version__}, {self.feature} {features.version(self.feature)}"

    def require(self) -> None:
        """Raise ``CodecError`` where the codec is not installed here."""
        import PIL
        from PIL import features

        if not features.check(self.feature):
            raise CodecError(f"this Pillow ({PIL.__version__}) was built without {self.name}; leave it out of --codecs")


class JpegXl(Classical):
    """JPEG XL, which Pillow knows by a plugin."""

    def version(self) -> str:
        """Return the version of the plugin."""
        return f"pillow-jxl-plugin {version('pillow-jxl-plugin')}"

    def require(self) -> None:
        """Register the format; raise ``CodecError`` where the plugin is not installed."""
        try:
            import pillow_jxl  # noqa: F401
        except ImportError:
            raise CodecError(
                "JPEG XL needs the plugin for Pillow: pip install 'kerasae[jpegxl]', or leave jpegxl out of --codecs"
            ) from None


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
# What a quality means stands beside each.
CLASSICAL: dict[str, Classical] = {
    codec.name: codec
    for codec in (
        Classical("jpeg", "JPEG", "jpg", _JPEG, _ALL, _jpeg("4:2:0")),  # 1 to 100; colour 4:2:0
        Classical("webp", "WEBP", "webp", _WEBP, (0, 100), _webp),  # 0 to 100; always colour 4:2:0
        Classical("avif", "AVIF", "avif", _AVIF, _ALL, _avif("4:2:0")),  # 1 to 100; gray as 4:0:0, colour 4:2:0
        Classical("jpeg2000", "JPEG2000", "jpg_2000", _DB, (15, 50), _jpeg2000),  # the PSNR aimed at, in dB
        JpegXl("jpegxl", "JXL", "", _JXL, (1, 99), _jpegxl),  # 1 to 99, lossy
        Classical("jpeg-444", "JPEG", "jpg", _JPEG, _ALL, _jpeg("4:4:4"), usual=False),  # 1 to 100; colour 4:4:4
        Classical("avif-444", "AVIF", "avif", _AVIF, _ALL, _avif("4:4:4"), usual=False),  # 1 to 100; colour 4:4:4
    )
}


def classical_codec(name: str) -> Classical:
    """Return the codec of that name. Raises ``CodecError`` where it is unknown or not installed here."""
    if name not in CLASSICAL:
        raise CodecError(f"{name!r} is not a codec; there are {', '.join(CLASSICAL)}")
    CLASSICAL[name].require()
    return CLASSICAL[name]


def installed_codecs() -> list[str]:
    """Return the names of the usual codecs that can run here."""
    found = []
    for name, codec in CLASSICAL.items():
        try:
            codec.require()
        except CodecError:
            continue
        found += [name] * codec.usual
    return found
