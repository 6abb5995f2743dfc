"""Patches of images of any size: cut from native pixels, at most so many, one image in one split."""

import re
from collections import Counter

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

from kerasae.data import load_images, read_image, split_indices, write_image
from kerasae.errors import DataError, RecipeError
from kerasae.recipes import FolderData, PhotosData, load_recipe

SIZES = {"a.png": (16, 16), "b.png": (40, 23), "c.png": (16, 200), "d/e.png": (33, 70)}


@pytest.fixture
def pictures(tmp_path, random_image):
    """Return a folder of colour images of four sizes, the first as large as a patch."""
    (tmp_path / "d").mkdir()
    for seed, (name, size) in enumerate(SIZES.items()):
        write_image(tmp_path / name, random_image(*size, 3, seed=seed))
    return tmp_path


def data(folder, **settings):
    return FolderData(path=str(folder), **{"image_size": 16, "channels": 3, "fit": "patches"} | settings)


def place_of(name):
    """Return file, top and left as a patch's name has them."""
    file, _, place = name.rpartition("/y")
    return (file, *map(int, place.split("x"))) if re.fullmatch(r"\d{4}x\d{4}", place) else (name, 0, 0)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_patch_is_a_part_of_the_native_image_where_its_name_says_or_for_training_anywhere(pictures, channels):
    images = load_images(data(pictures, channels=channels))
    assert images.images.shape == (len(images.names), 16, 16, channels)
    native = {name: read_image(pictures / name, channels=channels) for name in SIZES}
    drawn = images.images.drawn(np.arange(len(images.names)), seed=0, epoch=0)
    moved = 0
    for name, fixed, patch in zip(images.names, images.images, drawn, strict=True):
        file, top, left = place_of(name)
        np.testing.assert_array_equal(fixed, native[file][top : top + 16, left : left + 16])
        windows = sliding_window_view(native[file], (16, 16), axis=(0, 1))
        assert (windows == np.moveaxis(patch, -1, 0)).all(axis=(2, 3, 4)).any(), name
        moved += not np.array_equal(fixed, patch)
    assert moved > 10


def test_seed_epoch_and_index_alone_decide_where_a_patch_is_drawn(pictures):
    first, second = load_images(data(pictures)).images, load_images(data(pictures)).images
    every = np.arange(len(first))
    drawn = first.drawn(every, seed=1, epoch=2)
    for other in ({"seed": 1, "epoch": 3}, {"seed": 2, "epoch": 2}):
        assert not np.array_equal(drawn, first.drawn(every, **other))
    np.testing.assert_array_equal(second.drawn(every[[5, 2]], seed=1, epoch=2), drawn[[5, 2]])


def test_draws_reach_every_place(pictures):
    images = load_images(data(pictures))
    [wide] = np.flatnonzero(np.array(images.names) == "b.png/y0004x0003")
    seen = {images.images.drawn([wide], seed=0, epoch=epoch).tobytes() for epoch in range(3000)}
    assert len(seen) == (40 - 16 + 1) * (23 - 16 + 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_reduced_patches_show_up_to_so_many_times_as_much_of_the_image(tmp_path, channels):
    # A ramp of one level a pixel: the slope of a patch says by how much it was reduced.
    ramp = np.broadcast_to(np.arange(250, dtype=np.uint8)[:, None], (60, 250, channels))
    write_image(tmp_path / "ramp.png", ramp)
    settings = {"channels": channels, "patches_per_image": 40}
    images = load_images(data(tmp_path, reduce=3.0, **settings)).images
    native = load_images(data(tmp_path, **settings)).images
    np.testing.assert_array_equal(images[:], native[:])
    drawn = np.concatenate([images.drawn(np.arange(len(images)), seed=0, epoch=epoch) for epoch in range(20)])
    inside = drawn[:, :, 3:-3, 0].astype(int)
    slopes = np.diff(inside, axis=2).mean(axis=(1, 2))
    assert 1 <= slopes.min() < 1.1
    assert 2.8 < slopes.max() < 3.1
    # Evenly in the logarithm: the median is the root of the largest.
    assert abs(np.median(slopes) - 3**0.5) < 0.15
    np.testing.assert_array_equal(images.drawn([3], seed=0, epoch=19), drawn[-len(images) :][[3]])


def test_an_image_gives_what_fits_side_by_side_at_most_so_many_and_a_small_one_itself(pictures):
    def places(**settings):
        found = {}
        for file, top, left in map(place_of, load_images(data(pictures, **settings)).names):
            found.setdefault(file, []).append((top, left))
        return found

    whole = places()
    assert {name: len(found) for name, found in whole.items()} == {"a.png": 1, "b.png": 2, "c.png": 12, "d/e.png": 8}
    assert whole["b.png"] == [(4, 3), (20, 3)]
    for found in whole.values():
        assert all(abs(y - v) >= 16 or abs(x - u) >= 16 for y, x in found for v, u in found if (y, x) != (v, u))
    few = places(patches_per_image=3)
    assert [left for _, left in few["c.png"]] == [36, 100, 164]
    assert places(patches_per_image=1)["c.png"] == [(0, 100)]


def test_patches_of_one_image_or_group_are_in_one_split(pictures):
    images = load_images(data(pictures))
    (pictures / "labels.csv").write_text("file,scene\na.png,1\nb.png,1\nc.png,2\nd/e.png,3\n")
    grouped = load_images(data(pictures, group_column="scene"))
    assert grouped.names == images.names
    for loaded in (images, grouped):
        splits = split_indices(loaded, data(pictures))
        groups = [{loaded.groups[index] for index in part} for part in splits.values()]
        assert sum(map(len, groups)) == len(set(loaded.groups))
    assert set(grouped.groups) == {"1", "2", "3"}


def test_images_are_decoded_once_for_all_sizes_of_patches_and_the_fingerprint_covers_what_is_used(pictures):
    progress = []
    sets = [
        load_images(data(pictures, **more), progress=lambda *done: progress.append(done))
        for more in ({}, {}, {"image_size": 8}, {"patches_per_image": 2})
    ]
    assert progress == [(4, 4)]
    assert sets[0].fingerprint == sets[1].fingerprint
    assert len({one.fingerprint for one in sets}) == 3
    assert isinstance(sets[0].images.pixels.base, np.memmap)
    write_image(pictures / "a.png", np.zeros((16, 16, 3), np.uint8))
    assert load_images(data(pictures)).fingerprint != sets[0].fingerprint


def test_images_smaller_than_a_patch_are_named_or_left_out(pictures):
    said = (
        r"3 of 4 images are too small, the first a\.png: 16×16 pixels, less than a patch of 24×24; take a smaller "
        r"data\.image_size \(the shortest side is 16\), .* --set data\.on_error=skip"
    )
    with pytest.raises(DataError, match=said):
        load_images(data(pictures, image_size=24))
    images = load_images(data(pictures, image_size=24, on_error="skip"))
    assert images.names == ("d/e.png/y0004x0011", "d/e.png/y0004x0035")
    assert images.skipped[1] == "b.png: 23×40 pixels, less than a patch of 24×24"
    with pytest.raises(DataError, match="4 of 4 images are too small"):
        load_images(data(pictures, image_size=64, on_error="skip"))


def test_the_number_of_patches_is_refused_without_patches():
    with pytest.raises(
        RecipeError, match=r"data\.patches_per_image = 4 is for data\.fit = 'patches'; add that, or remove"
    ):
        load_recipe("ae_baseline", data="folder:x", set=["data.patches_per_image=4"])
    with pytest.raises(RecipeError, match=r"data\.reduce = 2\.0 is for data\.fit = 'patches'"):
        load_recipe("ae_baseline", data="folder:x", set=["data.reduce=2.0"])
    assert load_recipe("ae_l2", data="folder:x", set=["data.patches_per_image=4", "data.reduce=2", "data.fit=patches"])


def test_patches_of_the_photos_are_their_crops_and_for_training_move_in_their_region():
    crops, patches = load_images(PhotosData(limit=300)), load_images(PhotosData(limit=300, fit="patches"))
    assert (patches.names, patches.groups) == (crops.names, crops.groups)
    assert patches.fingerprint != crops.fingerprint
    np.testing.assert_array_equal(patches.images[:], crops.images)
    drawn = patches.images.drawn(np.arange(300), seed=0, epoch=0)
    assert np.mean((drawn != crops.images).any(axis=(1, 2, 3))) > 0.9
    few = load_images(PhotosData(channels=3, fit="patches", patches_per_image=8, reduce=2))
    of_each = Counter(name.split("/")[0] for name in few.names)
    assert set(of_each.values()) == {8}
    assert few.images.reduce == 2
