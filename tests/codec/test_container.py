"""The bytes are the format: what is written here must not change without a new version."""

import zlib

import pytest

from kerasae.codec import Packed, pack, pack_archive, unpack, unpack_archive
from kerasae.errors import CodecError

GRAY = Packed(b"\x01\x23\x45\x67", 128, 128, 1, 5, b"payload")
COLOUR = Packed(b"\x01\x23\x45\x67", 300, 7, 3, 0, b"")


def resealed(content):
    return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("image", "golden"),
    [
        (GRAY, "4b41e2" "01234567" "05" "7f" "7f" "7061796c6f6164" "249d97f0"),
        (COLOUR, "4b41e2" "01234567" "80" "ab02" "06" "5e0f3aa4"),
    ],
)  # fmt: skip
def test_golden_files(image, golden):
    content = pack(image)
    assert content[:-4].hex() == golden[:-8]
    assert content == resealed(content)
    assert unpack(content) == image


def test_a_thumbnail_costs_14_bytes_beyond_its_payload():
    for length in (0, 127, 128, 20_000):
        image = Packed(b"abcd", 128, 128, 1, 127, bytes(length))
        assert len(pack(image)) - length == 14


def test_golden_archive():
    content = pack_archive({"a": GRAY, "b/ü": GRAY})
    head, entries = "4b41a2" "01234567" "02" "01" "057f7f", "0701" "61" "0704" "622fc3bc"  # fmt: skip
    assert content[:-4].hex() == head + entries + 2 * b"payload".hex()
    assert unpack_archive(content) == {"a": GRAY, "b/ü": GRAY}
    mixed = {"a": GRAY, "c": Packed(GRAY.fingerprint, 9, 10, 1, 3, b"xyz")}
    assert unpack_archive(pack_archive(mixed)) == mixed


def test_an_archive_shares_its_header():
    images = {str(place): GRAY for place in range(100)}
    # Length, name's length, name: 4 bytes an image, against 14 in files of their own.
    assert len(pack_archive(images)) < 100 * (len(GRAY.payload) + 4) + 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x is empty"),
        (b"\x89PNG\r\n\x1a\n0000", "x is not a .kae file"),
        (pack(GRAY)[:-1], "its checksum does not fit"),
        (pack(GRAY) + b"\0", "its checksum does not fit"),
        (pack(GRAY)[:4], "its checksum does not fit"),
        (resealed(b"KA\xe1" + pack(GRAY)[3:]), "of version 1 of the format; this kerasae reads version 2"),
        (pack_archive({"a": GRAY}), "x is an archive of images"),
        (resealed(pack(GRAY)[:8] + b"0000"), "it ends 1 bytes too early"),
    ],
)
def test_what_is_no_file_is_refused(content, message):
    with pytest.raises(CodecError, match=message):
        unpack(content, "x")


def test_sizes_beyond_the_format_are_refused_before_anything_is_allocated():
    head = pack(GRAY)[:8]
    huge = b"\xff\xff\xff\xff\x07"
    for sizes in (huge + huge, b"\xff\xff\x03" + b"\xff\xff\x03"):
        with pytest.raises(CodecError, match="the format holds images of up to 67,108,864 pixels"):
            unpack(resealed(head + sizes + b"\0" + b"0000"))
    with pytest.raises(CodecError, match="longer than five bytes"):
        unpack(resealed(head + b"\xff" * 9 + b"0000"))
    with pytest.raises(CodecError, match="longer than it need be"):
        unpack(resealed(head + b"\xff\x00" + b"\x01\x00" + b"0000"))
    with pytest.raises(CodecError, match="the image has 65537×1 pixels"):
        pack(Packed(b"abcd", 65_537, 1, 1, 0, b""))


def test_archives_of_nothing_or_of_two_models_are_refused():
    with pytest.raises(CodecError, match="at least one image"):
        pack_archive({})
    other = Packed(b"zzzz", 128, 128, 1, 5, b"payload")
    with pytest.raises(CodecError, match="images of one model; got images of 2"):
        pack_archive({"a": GRAY, "b": other})
    twice = pack_archive({"a": GRAY, "b": GRAY}).replace(b"\x07\x01b", b"\x07\x01a")
    with pytest.raises(CodecError, match="it holds 'a' twice"):
        unpack_archive(resealed(twice))
