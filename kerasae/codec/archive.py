"""The ``.kae`` archive: many images of one model under one header.

======  =====  ===============================================================
offset  bytes  content
======  =====  ===============================================================
0       2      ``4B 41``, "KA"
2       1      ``A0`` + version of the format; this is version 2
3       4      fingerprint of the frozen model
7       1–5    number of images, LEB128
…       1      1 where all images share step, channels and size, given once right here as below; else 0
…              then for each image: step and channels, height − 1, width − 1 as in ``codec.container``, unless
               shared; length of the payload, LEB128; length of the name in bytes, LEB128; the name in UTF-8
…              then the payloads, one behind the other
…       4      CRC-32 (zlib) of everything before, high byte first
======  =====  ===============================================================
"""

from kerasae.codec.container import (
    ARCHIVE,
    FINGERPRINT_BYTES,
    MAGIC,
    VERSION,
    Packed,
    Reader,
    check_size,
    number,
    opened,
    sealed,
    split_step_byte,
    step_byte,
)
from kerasae.errors import CodecError


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
    return bytes([step_byte(image.step, image.channels)]) + number(image.height - 1) + number(image.width - 1)


def _read_form(reader: Reader, name: str) -> tuple[int, int, int, int]:
    step, channels = split_step_byte(reader.byte())
    height, width = reader.number() + 1, reader.number() + 1
    check_size(height, width, name)
    return step, channels, height, width
