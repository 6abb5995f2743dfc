"""The ``.kae`` file: one compressed image.

======  =====  ===============================================================
offset  bytes  content
======  =====  ===============================================================
0       1      ``AE`` where the image has the size that the model was trained on, otherwise ``AF``
1       2      first two bytes of the fingerprint of the frozen model (``Frozen.fingerprint``)
3       1      step index; plus 128 where the image has 3 channels instead of 1
4       1–3    after ``AF`` only: height − 1, LEB128: 7 bits a byte, low bits first, the top bit set on all but the last
…       1–3    after ``AF`` only: width − 1, LEB128
…       n      payload, up to the checksum: ``codec.entropy_coder``
…       2      CRC-16/CCITT-FALSE, high byte first, of: the fingerprint's 4 bytes, the byte of the step, height − 1 and
               width − 1 as LEB128, the payload
======  =====  ===============================================================

An image thus costs 6 bytes beyond its payload, of another size than usual up to 6 more. The checksum can be verified by
who has the model; of two models whose fingerprints begin alike it tells the right one. Sides go up to 65,536 pixels,
images up to 2^26 pixels: both are checked before anything is allocated for them.

Files of version 2, which begin with "KA", are read too: ``4B 41 E2``, the whole fingerprint, step, height − 1, width −
1, payload, and the CRC-32 (zlib) of everything before. So begins an archive of many images, ``4B 41 A2``.
"""

import binascii
import zlib
from dataclasses import dataclass, field, replace

from kerasae.errors import CodecError

# Of an image of the usual size, and of any.
USUAL, SIZED = 0xAE, 0xAF
# Of archives, and of single images before.
VERSION = 2
MAGIC = b"KA"
SINGLE, ARCHIVE = 0xE0, 0xA0
FINGERPRINT_BYTES = 4
_SHORT_BYTES = 2
MOST_PIXELS = 2**26
LONGEST_SIDE = 2**16
_RGB = 128


@dataclass(frozen=True)
class Packed:
    """What a file says of one image: ``fingerprint`` of 4 bytes, sizes in pixels, ``step`` an index from 0 to 127.

    What ``unpack`` returns has a ``checksum`` that is not verified yet, two bytes of the fingerprint, and sizes of 0
    where ``is_usual``, the size that the model was trained on: ``completed`` fills them in. ``escapes`` counts the
    symbols outside the tables where the image was just coded; files do not say it.
    """

    fingerprint: bytes
    height: int
    width: int
    channels: int
    step: int
    payload: bytes
    is_usual: bool = field(default=False, compare=False)
    checksum: int | None = field(default=None, compare=False)
    escapes: int = field(default=0, compare=False)


def pack(image: Packed) -> bytes:
    """Return the file of one image. Raises ``CodecError`` where its size is beyond the format."""
    check_size(image.height, image.width, "the image")
    kind, sizes = (USUAL, b"") if image.is_usual else (SIZED, _sizes(image))
    head = bytes([kind]) + image.fingerprint[:_SHORT_BYTES] + bytes([step_byte(image.step, image.channels)])
    return head + sizes + image.payload + _checksum(image).to_bytes(2, "big")


def file_bytes(image: Packed) -> int:
    """Return how many bytes ``pack`` writes, also of what is not ``completed``."""
    return 4 + (0 if image.is_usual else len(_sizes(image))) + len(image.payload) + 2


def unpack(content: bytes, name: str = "the file") -> Packed:
    """Return what a file holds, as far as it says without its model: see ``completed``.

    Raises ``CodecError``, naming ``name``, for what is seen not to be such a file.
    """
    if kind_of(content) == SINGLE and content[0] != MAGIC[0]:
        reader, is_usual = Reader(content[1:-2], name), content[0] == USUAL
        fingerprint, checksum = reader.take(_SHORT_BYTES), int.from_bytes(content[-2:], "big")
    else:
        reader, is_usual = opened(content, SINGLE, name), False
        fingerprint, checksum = reader.take(FINGERPRINT_BYTES), None
    step, channels = split_step_byte(reader.byte())
    height, width = (0, 0) if is_usual else (reader.number() + 1, reader.number() + 1)
    check_size(height, width, name)
    return Packed(fingerprint, height, width, channels, step, reader.rest(), is_usual, checksum)


def completed(image: Packed, fingerprint: bytes, usual: tuple[int, int] | None) -> Packed:
    """Return ``image`` with all that its model knows: fingerprint of 4 bytes, the ``usual`` height and width.

    Raises ``CodecError`` where the file is damaged or of another model.
    """
    if not fingerprint.startswith(image.fingerprint):
        raise CodecError(
            f"the file was written by the model {image.fingerprint.hex()}, this one is {fingerprint.hex()}; "
            "kerasae decompress finds the right run where it is under runs/, --run names it"
        )
    if image.checksum is None:
        return image
    height, width = (usual or (0, 0)) if image.is_usual else (image.height, image.width)
    whole = replace(image, fingerprint=fingerprint, height=height, width=width, checksum=None)
    if not height or _checksum(whole) != image.checksum:
        raise CodecError(
            f"the file is damaged, or of another model than {fingerprint.hex()}: its checksum does not fit its content"
        )
    return whole


def _sizes(image: Packed) -> bytes:
    return number(image.height - 1) + number(image.width - 1)


def _checksum(image: Packed) -> int:
    content = image.fingerprint + bytes([step_byte(image.step, image.channels)]) + _sizes(image) + image.payload
    return binascii.crc_hqx(content, 0xFFFF)


def kind_of(content: bytes) -> int | None:
    """Return ``SINGLE`` or ``ARCHIVE``, or None where the content is no file of kerasae's."""
    if content[:1] in (bytes([USUAL]), bytes([SIZED])):
        return SINGLE
    if len(content) < 3 or content[:2] != MAGIC or content[2] & 0xF0 not in (SINGLE, ARCHIVE):
        return None
    return content[2] & 0xF0


def sealed(content: bytes) -> bytes:
    """Return ``content`` with its CRC-32 behind it."""
    return content + zlib.crc32(content).to_bytes(4, "big")


def opened(content: bytes, kind: int, name: str) -> "Reader":
    """Return a reader that stands behind the version byte, the checksum being verified and taken off."""
    if not content:
        raise CodecError(f"{name} is empty")
    if kind_of(content) is None:
        raise CodecError(f"{name} is not a .kae file: it does not begin as one")
    if kind_of(content) != kind:
        raise CodecError(f"{name} is {'an archive of images' if kind == SINGLE else 'a single image, not an archive'}")
    if content[2] & 0x0F != VERSION:
        raise CodecError(
            f"{name} is of version {content[2] & 0x0F} of the format; this kerasae reads version {VERSION}"
        )
    if len(content) < 7 or zlib.crc32(content[:-4]).to_bytes(4, "big") != content[-4:]:
        raise CodecError(f"{name} is damaged: its checksum does not fit its content")
    return Reader(content[3:-4], name)


def check_size(height: int, width: int, name: str) -> None:
    """Raise ``CodecError`` for an image that is beyond the format."""
    if max(height, width) > LONGEST_SIDE or height * width > MOST_PIXELS:
        raise CodecError(
            f"{name} has {height}×{width} pixels; the format holds images of up to {MOST_PIXELS:,} pixels "
            f"with sides of up to {LONGEST_SIDE:,}"
        )


def number(value: int) -> bytes:
    """Return a non-negative integer as LEB128."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def step_byte(step: int, channels: int) -> int:
    """Return step index and channels as one byte."""
    return step + (_RGB if channels == 3 else 0)


def split_step_byte(value: int) -> tuple[int, int]:
    """Return step index and channels."""
    return value % _RGB, 3 if value >= _RGB else 1


class Reader:
    """Takes bytes off the front, and says so when there are too few."""

    def __init__(self, content: bytes, name: str):
        self._content, self._place, self._name = content, 0, name

    def take(self, count: int) -> bytes:
        """Return the next ``count`` bytes."""
        part = self._content[self._place : self._place + count]
        if len(part) < count:
            raise CodecError(f"{self._name} is damaged: it ends {count - len(part)} bytes too early")
        self._place += count
        return part

    def byte(self) -> int:
        """Return the next byte."""
        return self.take(1)[0]

    def number(self) -> int:
        """Return the next LEB128 number, of at most five bytes and none too many."""
        value = 0
        for place in range(5):
            byte = self.byte()
            value |= (byte & 127) << 7 * place
            if byte < 128:
                if place and byte == 0:
                    raise CodecError(f"{self._name} is damaged: a number in it is longer than it need be")
                return value
        raise CodecError(f"{self._name} is damaged: a number in it is longer than five bytes")

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        return self.take(len(self._content) - self._place)

    def end(self) -> None:
        """Check that nothing is left."""
        if self._place != len(self._content):
            raise CodecError(f"{self._name} is damaged: {len(self._content) - self._place} bytes too many")


def pack_archive(images: dict[str, Packed]) -> bytes:
    """Return the archive of images by name. Raises ``CodecError`` where there are none or they are of two models."""
    if not images:
        raise CodecError("an archive needs at least one image; got none")
    fingerprints = {image.fingerprint for image in images.values()}
    if len(fingerprints) > 1:
        raise CodecError(f"an archive holds images of one model; got images of {len(fingerprints)}")
    common = len({_form(image) for image in images.values()}) == 1
    head = MAGIC + bytes([ARCHIVE + VERSION]) + fingerprints.pop() + number(len(images)) + bytes([common])
    entries = [_form(next(iter(images.values())))] if common else []
    for name, image in images.items():
        check_size(image.height, image.width, name)
        encoded = name.encode("utf-8", "surrogateescape")
        form = b"" if common else _form(image)
        entries.append(form + number(len(image.payload)) + number(len(encoded)) + encoded)
    return sealed(head + b"".join(entries) + b"".join(image.payload for image in images.values()))


def unpack_archive(content: bytes, name: str = "the archive") -> dict[str, Packed]:
    """Return the images by name. Raises ``CodecError``, naming ``name``, for what ``pack_archive`` did not write."""
    reader = opened(content, ARCHIVE, name)
    fingerprint = reader.take(FINGERPRINT_BYTES)
    count, common = reader.number(), reader.byte()
    if not 0 < count <= len(content) or common > 1:
        raise CodecError(f"{name} is damaged: its header says {count} images, shared form {common}")
    shared = _read_form(reader, name) if common else None
    entries: dict[str, tuple] = {}
    for _ in range(count):
        form = shared or _read_form(reader, name)
        length = reader.number()
        inner = reader.take(reader.number()).decode("utf-8", "surrogateescape")
        if inner in entries:
            raise CodecError(f"{name} is damaged: it holds {inner!r} twice")
        entries[inner] = (*form, length)
    images = {
        inner: Packed(fingerprint, height, width, channels, step, reader.take(length))
        for inner, (step, channels, height, width, length) in entries.items()
    }
    reader.end()
    return images


def _form(image: Packed) -> bytes:
    return bytes([step_byte(image.step, image.channels)]) + _sizes(image)


def _read_form(reader: Reader, name: str) -> tuple[int, int, int, int]:
    step, channels = split_step_byte(reader.byte())
    height, width = reader.number() + 1, reader.number() + 1
    check_size(height, width, name)
    return step, channels, height, width
