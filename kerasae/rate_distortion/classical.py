"""JPEG, WebP, AVIF, JPEG 2000, JPEG XL, HEIC and VVC: the one place that compresses with other codecs.

Pillow or a plugin of it does, but for VVC, which ffmpeg has. A new codec is one entry of ``CLASSICAL``; one that Pillow
does not have is a subclass of ``Classical`` as well.
"""

import io
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

import numpy as np

from kerasae.data.images import register_heif
from kerasae.errors import CodecError

Effort = Literal["best", "default"]


@dataclass(frozen=True)
class Classical:
    """A format with its settings.

    ``feature`` is Pillow's name of the library behind it. ``settings(quality, effort, channels)`` returns what Pillow's
    ``save`` is given; ``qualities`` are the ones of a curve, at least six, and ``span`` is what whole qualities there
    are. ``picture_bytes`` counts in a file what codes the picture, without what contains it. A codec that is not
    ``usual`` takes part where it is asked for.

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
    picture_bytes: Callable[[bytes], int]
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

    def decode(self, content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
        """Return uint8 of ``shape`` (height, width, channels); what a format widened to RGB comes back as gray."""
        from PIL import Image

        with Image.open(io.BytesIO(content)) as image:
            pixels = np.asarray(image.convert("L" if shape[-1] == 1 else "RGB"))
        return pixels[..., np.newaxis] if shape[-1] == 1 else pixels

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


class Heic(Classical):
    """HEIC, a still picture of HEVC by x265, which Pillow knows by a plugin."""

    def version(self) -> str:
        """Return the versions of the plugin and of libheif."""
        import pillow_heif

        return f"pillow-heif {version('pillow-heif')}, libheif {pillow_heif.libheif_version()}"

    def require(self) -> None:
        """Register the format; raise ``CodecError`` where the plugin is not installed."""
        if not register_heif():
            raise CodecError(
                "HEIC needs the plugin for Pillow: pip install 'kerasae[heif]', or leave heic out of --codecs"
            )


class Vvc(Classical):
    """VVC, a single intra picture by VVenC, through the ffmpeg that imageio-ffmpeg brings.

    That takes pictures of 10 bits in 4:2:0 alone: gray is the luma, with colours of nothing that take some bytes; RGB
    is turned by ffmpeg. An odd side is filled up by repeating the edge, which whoever decodes has to know.
    """

    def encode(self, image: np.ndarray, quality: float, effort: Effort = "best") -> bytes:
        """Return the bare stream of uint8 ``(height, width, 1 or 3)``; raises ``CodecError`` where it is refused."""
        height, width, channels = image.shape
        padded = np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        size = f"{padded.shape[1]}x{padded.shape[0]}"
        if channels == 1:
            gray = np.full((padded.shape[0] // 2, padded.shape[1]), 512, "<u2")
            content, form = (4 * padded[..., 0].astype("<u2")).tobytes() + gray.tobytes(), "yuv420p10le"
        else:
            content, form = padded.tobytes(), "rgb24"
        settings = self.settings(quality, effort, channels)
        options = [part for name, value in settings.items() for part in (f"-{name}", str(value))]
        source = ["-f", "rawvideo", "-pix_fmt", form, "-s", size, "-r", "1", "-i", "-"]
        coded = ["-pix_fmt", "yuv420p10le", "-c:v", "libvvenc", *options, "-threads", "1", "-f", "vvc", "-"]
        return self._ffmpeg([*source, *coded], content)

    def decode(self, content: bytes, shape: tuple[int, int, int]) -> np.ndarray:
        """Return uint8 of ``shape`` (height, width, channels)."""
        height, width, channels = shape
        rows, columns = height + height % 2, width + width % 2
        form = "yuv420p10le" if channels == 1 else "rgb24"
        found = self._ffmpeg(["-f", "vvc", "-i", "-", "-f", "rawvideo", "-pix_fmt", form, "-"], content)
        if channels == 1:
            luma = np.frombuffer(found, "<u2")[: rows * columns].astype(int)
            pixels = np.minimum((luma + 2) // 4, 255).astype(np.uint8)
        else:
            pixels = np.frombuffer(found, np.uint8)
        return pixels.reshape(rows, columns, channels)[:height, :width]

    def _ffmpeg(self, arguments: list[str], content: bytes) -> bytes:
        import imageio_ffmpeg

        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "error", *arguments]
        done = subprocess.run(command, input=content, capture_output=True)
        if done.returncode or not done.stdout:
            last = (done.stderr.decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise CodecError(f"{self.name}: ffmpeg ended with {last!r}")
        return done.stdout

    def version(self) -> str:
        """Return the versions of ffmpeg and of the package that brings it."""
        import imageio_ffmpeg

        return f"imageio-ffmpeg {version('imageio-ffmpeg')}, ffmpeg {imageio_ffmpeg.get_ffmpeg_version()}"

    def require(self) -> None:
        """Raise ``CodecError`` where ffmpeg is not installed, or has no VVenC."""
        try:
            encoders = self._ffmpeg(["-encoders"], b"")
        # The package is not there, or has found no ffmpeg.
        except (ImportError, RuntimeError):
            encoders = b""
        if b"libvvenc" not in encoders:
            raise CodecError(
                "VVC needs an ffmpeg with libvvenc: pip install 'kerasae[vvc]', or leave vvc out of --codecs"
            ) from None


# === What codes the picture in a file ===


def jpeg_picture_bytes(content: bytes) -> int:
    """Return the bytes of Huffman tables and scans; the rest is markers, sizes and what the quality says."""
    place, counted = 2, 0
    while place + 4 <= len(content) and content[place + 1] != 0xD9:
        kind, length = content[place + 1], 2 + int.from_bytes(content[place + 2 : place + 4], "big")
        counted += length if kind == 0xC4 else 0
        place += length
        if kind == 0xDA:
            start = place
            # Within a scan FF is followed by 00, or it restarts.
            while content[place] != 0xFF or content[place + 1] == 0 or 0xD0 <= content[place + 1] <= 0xD7:
                place += 1
            counted += place - start
    return counted


def webp_picture_bytes(content: bytes) -> int:
    """Return the bytes of the VP8 chunk, which RIFF contains."""
    place = 12
    while place < len(content):
        length = int.from_bytes(content[place + 4 : place + 8], "little")
        if content[place : place + 4] in (b"VP8 ", b"VP8L"):
            return length
        place += 8 + length + length % 2
    raise CodecError("a WebP file holds no picture")


def boxed_picture_bytes(*kinds: bytes) -> Callable[[bytes], int]:
    """Return what counts the bytes inside of boxes of these kinds (ISO/IEC 14496-12) at the top of a file."""

    def count(content: bytes) -> int:
        place, counted = 0, 0
        while place < len(content):
            length = int.from_bytes(content[place : place + 4], "big") or len(content) - place
            counted += length - 8 if content[place + 4 : place + 8] in kinds else 0
            place += length
        return counted

    return count


def jpeg2000_picture_bytes(content: bytes) -> int:
    """Return the bytes of the codestream from its first tile on, without its end marker."""
    return len(content) - content.index(b"\xff\x90") - 2


def jpegxl_picture_bytes(content: bytes) -> int:
    """Return the bytes of the codestream without its two of signature."""
    return (len(content) if content[:2] == b"\xff\x0a" else boxed_picture_bytes(b"jxlc", b"jxlp")(content)) - 2


def vvc_picture_bytes(content: bytes) -> int:
    """Return the bytes of slices and adaptation parameters, without parameter sets of stream and picture."""
    units = content.split(b"\0\0\1")[1:]
    kinds = [unit[1] >> 3 for unit in units]
    return sum(
        len(unit.rstrip(b"\0")) for unit, kind in zip(units, kinds, strict=True) if kind <= 11 or kind in (17, 18)
    )


# === What they are told ===


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


def _heic(subsampling: str):
    def settings(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
        # Gray is 4:0:0 by itself.
        chosen = {"chroma": subsampling} if channels == 3 else {}
        return {"quality": int(quality), "enc_params": {"preset": "veryslow" if effort == "best" else "slow"}} | chosen

    return settings


def _vvc(quality: float, effort: Effort, channels: int) -> dict[str, Any]:
    # Preset slow took 3 times as long for 1 % less, slower 9 times (20 faces of 128×128).
    return {"qp": int(quality), "qpa": 0, "preset": "medium" if effort == "best" else "fast"}


_JPEG = (3, 5, 8, 11, 15, 25, 40, 60, 75, 85, 92, 97)
_WEBP = (0, 2, 5, 10, 20, 35, 50, 65, 80, 90, 97)
_DB = (20, 23, 26, 28, 30, 32, 34, 37, 40, 43, 46)
_JXL = (3, 6, 10, 20, 30, 45, 60, 75, 87, 95)
_AVIF = (2, 5, 10, 20, 30, 40, 50, 60, 75, 90)
_HEIC = (2, 5, 10, 20, 30, 40, 50, 60, 75, 90)
_QP = (50, 46, 43, 40, 37, 34, 31, 28, 24, 20)
_ALL = (1, 100)
# What a quality means stands beside each.
CLASSICAL: dict[str, Classical] = {
    codec.name: codec
    for codec in (
        # 1 to 100; colour 4:2:0
        Classical("jpeg", "JPEG", "jpg", _JPEG, _ALL, _jpeg("4:2:0"), jpeg_picture_bytes),
        # 0 to 100; always colour 4:2:0
        Classical("webp", "WEBP", "webp", _WEBP, (0, 100), _webp, webp_picture_bytes),
        # 1 to 100; gray as 4:0:0, colour 4:2:0
        Classical("avif", "AVIF", "avif", _AVIF, _ALL, _avif("4:2:0"), boxed_picture_bytes(b"mdat")),
        # the PSNR aimed at, in dB
        Classical("jpeg2000", "JPEG2000", "jpg_2000", _DB, (15, 50), _jpeg2000, jpeg2000_picture_bytes),
        # 1 to 99, lossy
        JpegXl("jpegxl", "JXL", "", _JXL, (1, 99), _jpegxl, jpegxl_picture_bytes),
        # 1 to 100; gray as 4:0:0, colour 4:2:0
        Heic("heic", "HEIF", "", _HEIC, _ALL, _heic("420"), boxed_picture_bytes(b"mdat")),
        # the quantization parameter, 63 to 0: the lower, the more bits; colour 4:2:0
        Vvc("vvc", "VVC", "", _QP, (63, 0), _vvc, vvc_picture_bytes, usual=False),
        # colour 4:4:4
        Classical("jpeg-444", "JPEG", "jpg", _JPEG, _ALL, _jpeg("4:4:4"), jpeg_picture_bytes, usual=False),
        Classical("avif-444", "AVIF", "avif", _AVIF, _ALL, _avif("4:4:4"), boxed_picture_bytes(b"mdat"), usual=False),
        Heic("heic-444", "HEIF", "", _HEIC, _ALL, _heic("444"), boxed_picture_bytes(b"mdat"), usual=False),
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
