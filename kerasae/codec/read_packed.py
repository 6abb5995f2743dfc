"""Files on a disk → packed images by name."""

from collections.abc import Sequence
from pathlib import Path

from kerasae.codec.archive import unpack_archive
from kerasae.codec.container import ARCHIVE, Packed, kind_of, unpack
from kerasae.codec.image_paths import image_paths
from kerasae.errors import CodecError


def read_packed(inputs: Sequence[str | Path]) -> dict[str, Packed]:
    """Return the images of ``.kae`` files, archives and folders of them, by name, not decoded yet.

    Raises ``CodecError`` where a file is missing or damaged, or two images have one name.
    """
    found: dict[str, Packed] = {}
    for name, path in image_paths(inputs, suffixes=(".kae",)).items():
        try:
            content = path.read_bytes()
        except OSError as error:
            raise CodecError(f"{path} cannot be read: {error.strerror or error}") from None
        single = kind_of(content) != ARCHIVE
        inside = {name: unpack(content, str(path))} if single else unpack_archive(content, str(path))
        for inner, packed in inside.items():
            if inner in found:
                raise CodecError(f"{path} holds {inner!r}, which another file holds too; decompress them in two calls")
            found[inner] = packed
    return found
