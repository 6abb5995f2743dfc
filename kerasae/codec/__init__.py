"""Trained models as codecs: quantisation, frozen tables, entropy coding, files.

Files, tables and symbols need no Keras; what runs a network loads it on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from kerasae.codec.container import Packed, pack, pack_archive, unpack, unpack_archive
from kerasae.codec.frozen import Frozen

if TYPE_CHECKING:
    from kerasae.codec.codec import Codec
    from kerasae.codec.files import compress_files, decompress_files
    from kerasae.codec.freeze import freeze_run

_WITH_KERAS = {
    "Codec": "kerasae.codec.codec",
    "compress_files": "kerasae.codec.files",
    "decompress_files": "kerasae.codec.files",
    "freeze_run": "kerasae.codec.freeze",
}
__all__ = [
    "Codec",
    "Frozen",
    "Packed",
    "compress_files",
    "decompress_files",
    "freeze_run",
    "pack",
    "pack_archive",
    "unpack",
    "unpack_archive",
]


def __getattr__(name: str):
    if name in _WITH_KERAS:
        return getattr(import_module(_WITH_KERAS[name]), name)
    raise AttributeError(f"module 'kerasae.codec' has no attribute {name!r}")
