"""FFHQ thumbnails, in the layouts in which people have them."""

import numpy as np
import pytest

from kerasae.data import load_images, split_indices, write_image
from kerasae.data import sources as ffhq
from kerasae.errors import DataError
from kerasae.recipes import FfhqData

NUMBERS = (0, 1, 999, 1000, 1001, 69999)


def data(path, **settings):
    return FfhqData(source="ffhq", path=str(path), **{"image_size": 16, "channels": 3} | settings)


def write_thumbnails(root, random_image, *, nested):
    for number in NUMBERS:
        folder = root / f"{number // 1000:02d}000" if nested else root
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{number:05d}.png", random_image(16, 16, 3, seed=number))


def test_all_layouts_give_the_same_images(tmp_path, random_image):
    write_thumbnails(tmp_path / "flat", random_image, nested=False)
    write_thumbnails(tmp_path / "nested", random_image, nested=True)
    write_thumbnails(tmp_path / "root" / "thumbnails128x128", random_image, nested=True)
    (tmp_path / "root" / "LICENSE.txt").touch()
    sets = [load_images(data(tmp_path / name)) for name in ("flat", "nested", "root", "root/thumbnails128x128")]
    assert {one.fingerprint for one in sets} == {sets[0].fingerprint}
    assert sets[0].names == ("00000", "00001", "00999", "01000", "01001", "69999")
    assert sets[0].label == "ffhq (6 of 70,000)"
    assert sets[0].card == "ffhq"
    np.testing.assert_array_equal(sets[1].images[2], random_image(16, 16, 3, seed=999))


def test_the_label_of_all_images_has_no_count(tmp_path, random_image, monkeypatch):
    monkeypatch.setattr(ffhq, "COUNT", 4)
    for number in range(4):
        write_image(tmp_path / f"{number:05d}.png", random_image(16, 16, 3, seed=number))
    assert load_images(data(tmp_path)).label == "ffhq"


def test_the_second_start_decodes_nothing_and_a_new_file_is_noticed(tmp_path, random_image, monkeypatch):
    write_thumbnails(tmp_path, random_image, nested=True)
    first = load_images(data(tmp_path))

    seen = []
    second = load_images(data(tmp_path), progress=lambda *done: seen.append(done))
    assert seen == []
    assert second.fingerprint == first.fingerprint
    assert isinstance(second.images, np.memmap)

    write_image(tmp_path / "00000" / "00002.png", random_image(16, 16, 3, seed=2))
    third = load_images(data(tmp_path), progress=lambda *done: seen.append(done))
    assert seen == [(7, 7)]
    assert len(third.names) == 7


def test_files_that_ffhq_does_not_have_are_passed_over(tmp_path, random_image):
    write_thumbnails(tmp_path, random_image, nested=True)
    for name in ("00000/01005.png", "70000.png", "0001.png", "00003.jpg", "backup/00004.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_image(tmp_path / name, random_image(16, 16, 3))
    assert len(load_images(data(tmp_path)).names) == 6


def test_limit_decodes_only_what_it_keeps(tmp_path, random_image):
    write_thumbnails(tmp_path, random_image, nested=True)
    seen = []
    few = load_images(data(tmp_path, limit=4), progress=lambda *done: seen.append(done))
    assert len(few.names) == 4
    assert seen == [(4, 4)]
    assert sorted(map(len, split_indices(few, data(tmp_path)).values())) == [1, 1, 2]


def test_broken_files_stop_or_are_counted(tmp_path, random_image):
    write_thumbnails(tmp_path, random_image, nested=True)
    (tmp_path / "01000" / "01001.png").write_bytes(b"broken")
    with pytest.raises(DataError, match=r"01001\.png is not a readable image.*data\.on_error=skip"):
        load_images(data(tmp_path))
    for _ in range(2):
        images = load_images(data(tmp_path, on_error="skip"))
        assert len(images.names) == 5
        assert images.skipped[0].startswith("01001: ")


def test_folders_that_are_not_ffhq(tmp_path, random_image):
    with pytest.raises(DataError, match=r"the FFHQ folder .*nowhere does not exist"):
        load_images(data(tmp_path / "nowhere"))
    write_image(tmp_path / "holiday.png", random_image(16, 16, 3))
    with pytest.raises(DataError, match=r"does not look like FFHQ: .*--data folder:PATH"):
        load_images(data(tmp_path))
    write_image(tmp_path / "00000.png", random_image(16, 16, 3))
    with pytest.raises(DataError, match="has 1 usable FFHQ images; at least 3"):
        load_images(data(tmp_path))
