"""The bytes are the format: what is written here must not change without a new version."""

import zlib
from dataclasses import replace

import pytest

from kerasae.codec import Packed, pack, pack_archive, unpack, unpack_archive
from kerasae.codec.container import completed, file_bytes
from kerasae.errors import CodecError

GRAY = Packed(b"\x01\x23\x45\x67", 128, 128, 1, 5, b"payload")
USUAL = replace(GRAY, is_usual=True)
COLOUR = Packed(b"\x01\x23\x45\x67", 300, 7, 3, 0, b"")
OLD = "4b41e2" "01234567" "05" "7f" "7f" "7061796c6f6164" "249d97f0"  # fmt: skip
OLD_GRAY = bytes.fromhex(OLD)


def resealed(content):
    return content[:-4] + zlib.crc32(content[:-4]).to_bytes(4, "big")


def crc16(content):
    """The checksum bit by bit, from its definition: x¹⁶ + x¹² + x⁵ + 1, all ones at first."""
    register = 0xFFFF
    for bit in "".join(f"{byte:08b}" for byte in content):
        carry = (register >> 15) ^ int(bit)
        register = (register << 1 & 0xFFFF) ^ (0x1021 if carry else 0)
    return register


@pytest.mark.parametrize(
    ("image", "golden", "checked"),
    [
        (USUAL, "ae" "0123" "05" "7061796c6f6164", "01234567" "05" "7f" "7f" "7061796c6f6164"),
        (GRAY, "af" "0123" "05" "7f" "7f" "7061796c6f6164", "01234567" "05" "7f" "7f" "7061796c6f6164"),
        (COLOUR, "af" "0123" "80" "ab02" "06", "01234567" "80" "ab02" "06"),
    ],
)  # fmt: skip
def test_golden_files(image, golden, checked):
    content = pack(image)
    assert content.hex() == golden + f"{crc16(bytes.fromhex(checked)):04x}"
    assert completed(unpack(content), GRAY.fingerprint, (128, 128)) == image


@pytest.mark.parametrize(
    ("image", "golden"), [(GRAY, OLD), (COLOUR, "4b41e2" "01234567" "80" "ab02" "06" "5e0f3aa4")]
)  # fmt: skip
def test_golden_files_of_version_2(image, golden):
    content = bytes.fromhex(golden)
    assert content == resealed(content)
    assert unpack(content) == image == completed(unpack(content), GRAY.fingerprint, None)


def test_an_image_of_the_usual_size_costs_6_bytes_beyond_its_payload_and_others_less_than_before():
    for length in (0, 127, 128, 20_000):
        for size, most in ((1, 8), (128, 8), (129, 10), (40_000, 11)):
            image = Packed(b"abcd", size, 1000, 1, 127, bytes(length), is_usual=True)
            assert len(pack(image)) - length == file_bytes(image) - length == 6
            image = replace(image, width=size if size < 8000 else 2, is_usual=False)
            assert len(pack(image)) - length == file_bytes(image) - length <= most


def test_what_is_damaged_or_of_another_model_is_seen_with_the_model():
    for image in (USUAL, GRAY):
        content = pack(image)
        for place in range(len(content) * 8):
            damaged = bytearray(content)
            damaged[place // 8] ^= 1 << place % 8
            with pytest.raises(CodecError, match=r"damaged|no \.kae file|not a \.kae file|written by the model"):
                completed(unpack(bytes(damaged)), GRAY.fingerprint, (128, 128))
        # Another model whose fingerprint begins alike, or that has another usual size.
        with pytest.raises(CodecError, match=r"damaged, or of another model than 01234568: its checksum does not fit"):
            completed(unpack(content), b"\x01\x23\x45\x68", (128, 128))
    for usual in ((128, 64), None):
        with pytest.raises(CodecError, match="its checksum does not fit"):
            completed(unpack(pack(USUAL)), GRAY.fingerprint, usual)
    with pytest.raises(CodecError, match=r"written by the model 0123, this one is 01244567"):
        completed(unpack(pack(USUAL)), b"\x01\x24\x45\x67", (128, 128))


def test_golden_archive():
    content = pack_archive({"a": GRAY, "b/ü": GRAY})
    head, entries = "4b41a2" "01234567" "02" "01" "057f7f", "0701" "61" "0704" "622fc3bc"  # fmt: skip
    assert content[:-4].hex() == head + entries + 2 * b"payload".hex()
    assert unpack_archive(content) == {"a": GRAY, "b/ü": GRAY}
    mixed = {"a": GRAY, "c": Packed(GRAY.fingerprint, 9, 10, 1, 3, b"xyz")}
    assert unpack_archive(pack_archive(mixed)) == mixed


def test_an_archive_shares_its_header():
    images = {str(place): GRAY for place in range(100)}
    # Length, name's length, name: 4 bytes an image.
    assert len(pack_archive(images)) < 100 * (len(GRAY.payload) + 4) + 20


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "x is empty"),
        (b"\x89PNG\r\n\x1a\n0000", "x is not a .kae file"),
        (OLD_GRAY[:-1], "its checksum does not fit"),
        (OLD_GRAY + b"\0", "its checksum does not fit"),
        (OLD_GRAY[:4], "its checksum does not fit"),
        (pack(GRAY)[:5], "it ends 1 bytes too early"),
        (pack(USUAL)[:5], "it ends 1 bytes too early"),
        (pack(GRAY)[:1], "it ends 2 bytes too early"),
        (resealed(b"KA\xe1" + OLD_GRAY[3:]), "of version 1 of the format; this kerasae reads version 2"),
        (pack_archive({"a": GRAY}), "x is an archive of images"),
        (resealed(OLD_GRAY[:8] + b"0000"), "it ends 1 bytes too early"),
    ],
)
def test_what_is_no_file_is_refused(content, message):
    with pytest.raises(CodecError, match=message):
        unpack(content, "x")


def test_sizes_beyond_the_format_are_refused_before_anything_is_allocated():
    head = OLD_GRAY[:8]
    huge = b"\xff\xff\xff\xff\x07"
    for sizes in (huge + huge, b"\xff\xff\x03" + b"\xff\xff\x03"):
        with pytest.raises(CodecError, match="the format holds images of up to 67,108,864 pixels"):
            unpack(resealed(head + sizes + b"\0" + b"0000"))
        with pytest.raises(CodecError, match="the format holds images of up to 67,108,864 pixels"):
            unpack(pack(GRAY)[:4] + sizes + b"00")
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
