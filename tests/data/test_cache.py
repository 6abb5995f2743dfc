"""The cache of decoded images: never wrong, whatever happened to it."""

import json
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from kerasae.data.cache import cache_folder, cached, file_states
from kerasae.data.splits import pixel_digest
from kerasae.errors import DataError

SHAPE = (4, 5, 1)
IMAGES = np.random.default_rng(0).integers(0, 256, (7, *SHAPE), np.uint8)


class Source:
    """Yields the images, and counts how often it was asked."""

    def __init__(self, images=IMAGES, broken=()):
        self.images, self.broken, self.asked = images, broken, 0

    def __call__(self, skipped):
        self.asked += 1
        for place, image in enumerate(self.images):
            if place in self.broken:
                skipped.append(f"n{place}: broken")
            else:
                yield f"n{place}", image


def get(source, state="state", **settings):
    return cached("kind", settings, source=state, shape=SHAPE, decode=source)


def files(folder, suffix):
    return sorted(path for path in folder.iterdir() if path.suffix == suffix)


def assert_whole(found, images=IMAGES):
    np.testing.assert_array_equal(found.images, images)
    assert found.digest == pixel_digest(images)
    assert isinstance(found.images, np.memmap)
    assert not found.images.flags.writeable


def test_the_second_time_nothing_is_decoded(own_cache):
    source = Source()
    for _ in range(3):
        found = get(source)
        assert_whole(found)
        assert found.names == tuple(f"n{i}" for i in range(7))
    assert source.asked == 1
    assert len(list(own_cache.iterdir())) == 2


def test_skipped_files_shorten_the_array():
    source = Source(broken=(1, 6))
    for _ in range(2):
        found = get(source)
        assert_whole(found, np.delete(IMAGES, (1, 6), axis=0))
        assert found.skipped == ("n1: broken", "n6: broken")
    assert source.asked == 1


def test_images_of_different_sizes_are_flat_with_their_shapes(own_cache):
    images = [np.full((height, width, 1), height, np.uint8) for height, width in ((2, 3), (5, 1), (1, 1))]
    source = Source(images, broken=(1,))
    for _ in range(2):
        found = cached("kind", {}, source="s", shape=None, decode=source, remarks=lambda: ["said"])
        assert found.shapes == ((2, 3, 1), (1, 1, 1))
        assert (found.images.tolist(), found.remarks) == ([2] * 6 + [1], ("said",))
    assert source.asked == 1
    (index,) = files(own_cache, ".json")
    said = json.loads(index.read_text())
    index.write_text(json.dumps(said | {"shapes": [[2, 3, 1], [2, 1, 1]]}))
    assert cached("kind", {}, source="s", shape=None, decode=source).shapes == ((2, 3, 1), (1, 1, 1))


def test_other_settings_have_another_cache(own_cache):
    source = Source()
    get(source, fit="crop")
    get(source, fit="stretch")
    assert source.asked == 2
    assert len(files(own_cache, ".npy")) == 2


def test_a_changed_source_replaces_the_cache(own_cache):
    get(Source())
    assert_whole(get(Source(255 - IMAGES), state="other"), 255 - IMAGES)
    assert len(files(own_cache, ".npy")) == 1


def test_a_flipped_bit_is_noticed(own_cache):
    get(Source())
    (pixels,) = files(own_cache, ".npy")
    content = bytearray(pixels.read_bytes())
    content[-3] ^= 1
    pixels.write_bytes(content)
    again = Source()
    assert_whole(get(again))
    assert again.asked == 1


@pytest.mark.parametrize("damage", ["truncated", "empty", "gone"])
@pytest.mark.parametrize("suffix", [".npy", ".json"])
def test_damaged_files_are_built_anew(own_cache, suffix, damage):
    get(Source())
    (path,) = files(own_cache, suffix)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[: -20 if damage == "truncated" else 0])
    again = Source()
    assert_whole(get(again))
    assert again.asked == 1
    assert_whole(get(again))
    assert again.asked == 1


@pytest.mark.parametrize("content", ["[]", "{}", '{"source": "state", "pixels": 3}', "null"])
def test_nonsense_in_the_index_is_built_anew(own_cache, content):
    get(Source())
    files(own_cache, ".json")[0].write_text(content)
    assert_whole(get(Source()))


def test_names_that_do_not_fit_the_pixels_are_noticed(own_cache):
    get(Source())
    (index,) = files(own_cache, ".json")
    said = json.loads(index.read_text())
    index.write_text(json.dumps(said | {"names": said["names"][:-1]}))
    assert len(get(Source()).names) == 7


def test_a_failed_build_leaves_nothing_and_keeps_the_old(own_cache):
    def failing(skipped):
        yield "n0", IMAGES[0]
        raise DataError("n1 is broken")

    with pytest.raises(DataError, match="n1 is broken"):
        get(failing)
    assert list(own_cache.iterdir()) == []
    get(Source())
    with pytest.raises(DataError, match="n1 is broken"):
        get(failing, state="other")
    untouched = Source()
    assert_whole(get(untouched))
    assert untouched.asked == 0


def test_two_builders_at_once_do_not_break_each_other(own_cache):
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(lambda _: get(Source()), range(32)):
            assert_whole(found)
    assert len(list(own_cache.iterdir())) == 2


def test_a_place_that_cannot_be_written_to_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("KERASAE_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(DataError, match=r"cannot be written to .*cache: .*KERASAE_CACHE"):
        get(Source())


def test_the_folder_is_in_the_home_unless_named(monkeypatch):
    monkeypatch.delenv("KERASAE_CACHE")
    assert cache_folder().parts[-2:] == (".cache", "kerasae")


def test_file_states_tell_changed_files(tmp_path):
    path = tmp_path / "a"
    path.write_text("one")
    before = file_states(tmp_path, ["a"])
    assert file_states(tmp_path, ["a"]) == before
    os.utime(path, ns=(1, 1))
    touched = file_states(tmp_path, ["a"])
    path.write_text("three")
    os.utime(path, ns=(1, 1))
    assert len({before, touched, file_states(tmp_path, ["a"])}) == 3
    with pytest.raises(DataError, match="gone cannot be read"):
        file_states(tmp_path, ["gone"])


def test_files_are_for_those_whom_the_umask_lets_in(own_cache):
    before = os.umask(0o007)
    try:
        get(Source())
        assert {oct(path.stat().st_mode & 0o777) for path in own_cache.iterdir()} == {"0o660"}
        assert oct(own_cache.stat().st_mode & 0o007) == "0o0"
    finally:
        os.umask(before)
