"""Trained models as codecs: quantisation, frozen tables, entropy coding, files."""

from kerasae.codec.archive import pack_archive, unpack_archive
from kerasae.codec.codec import Codec
from kerasae.codec.container import Packed, pack, unpack
from kerasae.codec.freeze_run import freeze_run
from kerasae.codec.frozen import Frozen

__all__ = ["Codec", "Frozen", "Packed", "freeze_run", "pack", "pack_archive", "unpack", "unpack_archive"]
