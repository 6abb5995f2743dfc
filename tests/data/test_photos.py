"""Crops of photographs: enough of them, and no pixel in two splits."""

from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from kerasae.data import data_card, load_images, photos, split_indices
from kerasae.data.photos import Box
from kerasae.errors import DataError
from kerasae.recipes import PhotosData


@pytest.fixture(scope="module")
def gray():
    return load_images(PhotosData())


@pytest.fixture(scope="module")
def sizes():
    return {one: photos.read_photograph(one, 1).shape[:2] for one in photos.PHOTOGRAPHS}


def test_default_crops(gray):
    assert gray.images.shape == (1792, 128, 128, 1)
    assert (gray.label, gray.card, gray.skipped) == ("photos", "photos", ())
    assert set(Counter(name.split("/")[0] for name in gray.names).values()) == {128}
    scales = Counter(name.split("/")[2] for name in gray.names)
    assert min(scales["1x"], scales["0.75x"]) > 500
    assert scales["0.5x"] > 20


def test_the_photographs_are_those_of_the_data_card(gray):
    # The card states this fingerprint; another one means other test images, so numbers no longer compare.
    card = data_card("photos")
    assert gray.fingerprint in card
    parts = split_indices(gray, PhotosData())
    assert f"{len(parts['train']):,} training" in card
    assert f"{len(parts['test'])} test" in card


def test_crops_differ(gray):
    assert len({image.tobytes() for image in gray.images}) > 0.98 * len(gray.images)


@pytest.mark.parametrize("image_size", [16, 32, 64, 100, 128, 256])
def test_no_pixel_of_a_crop_lies_in_another_region(sizes, image_size):
    crops = photos.plan_crops(sizes, image_size, 128)
    regions = {crop.group: crop.region for crop in crops}
    for (first, one), (second, other) in combinations(regions.items(), 2):
        same_photograph = first.split("/")[0] == second.split("/")[0]
        assert not (same_photograph and one.overlaps(other)), (first, second)
    for crop in crops:
        assert crop.region.contains(crop.source(image_size)), crop


@pytest.mark.parametrize(("image_size", "fit"), [(32, "crop"), (128, "crop"), (32, "patches")])
def test_no_pixel_of_a_crop_comes_from_another_region(sizes, image_size, fit, monkeypatch):
    """Paint each region in a colour of its own: every crop must then be of that colour alone."""
    crops = photos.plan_crops(sizes, image_size, 128)
    colour_of = {group: 1 + place % 251 for place, group in enumerate(dict.fromkeys(crop.group for crop in crops))}

    def painted(photograph, channels):
        image = np.zeros((*sizes[photograph], channels), np.uint8)
        for crop in crops:
            if crop.photograph == photograph.name:
                box = crop.region
                image[box.top : box.bottom, box.left : box.right] = colour_of[crop.group]
        return image

    monkeypatch.setattr(photos, "read_photograph", painted)
    loaded = load_images(PhotosData(image_size=image_size, fit=fit))
    images = loaded.images
    if fit == "patches":
        images = images.drawn(np.arange(len(images)), seed=0, epoch=0)
    for image, group in zip(images, loaded.groups, strict=True):
        assert (image == colour_of[group]).all(), group


def test_full_scale_crops_are_the_photograph_itself(gray, sizes):
    camera = photos.read_photograph(photos.Photograph("camera.png", colour=False), 1)
    crops = {crop.name: crop for crop in photos.plan_crops(sizes, 128, 128)}
    checked = 0
    for image, name in zip(gray.images, gray.names, strict=True):
        if name.startswith("camera/") and "/1x/" in name:
            box = crops[name].source(128)
            np.testing.assert_array_equal(image, camera[box.top : box.bottom, box.left : box.right])
            checked += 1
    assert checked > 20


def test_split_holds_the_fractions_to_one_in_a_hundred(gray):
    parts = split_indices(gray, PhotosData())
    shares = [len(parts[name]) / len(gray.names) for name in ("train", "validation", "test")]
    np.testing.assert_allclose(shares, [0.7, 0.1, 0.2], atol=0.01)
    regions = [{gray.groups[index] for index in part} for part in parts.values()]
    assert sum(map(len, regions)) == len(set(gray.groups))


def test_colour_uses_colour_photographs_only():
    colour = load_images(PhotosData(channels=3))
    assert colour.images.shape[1:] == (128, 128, 3)
    assert len(colour.names) > 1500
    assert not {"brick", "camera", "coins", "grass", "gravel", "moon"} & {name.split("/")[0] for name in colour.names}
    for image, name in zip(colour.images, colour.names, strict=True):
        if "/1x/" in name and name.startswith(("astronaut", "coffee")):
            assert not (image[..., 0] == image[..., 2]).all(), name


def test_the_list_says_rightly_which_photographs_have_colour():
    for one in photos.PHOTOGRAPHS:
        assert photos.read_photograph(one, None).shape[-1] == (3 if one.colour else 1), one.file


def test_limit(gray):
    few = load_images(PhotosData(limit=50))
    assert len(few.names) == 50
    assert set(few.names) < set(gray.names)
    assert len(split_indices(few, PhotosData())["test"]) == 10


def test_too_large_a_size_is_refused():
    with pytest.raises(DataError, match=r"crops in 9 regions at data\.image_size = 512, too few to split"):
        load_images(PhotosData(image_size=512))
    with pytest.raises(DataError, match=r"the photographs give 0 crops in 0 regions"):
        load_images(PhotosData(image_size=2048))


def test_a_missing_photograph_is_named():
    with pytest.raises(DataError, match=r"this scikit-image has no unicorn\.png"):
        photos.read_photograph(photos.Photograph("unicorn.png", colour=True), 1)


def test_boxes():
    box = Box(0, 0, 4, 4)
    assert box.overlaps(Box(3, 3, 5, 5))
    assert not box.overlaps(Box(4, 0, 8, 4))
    assert box.contains(Box(1, 0, 4, 4))
    assert not box.contains(Box(1, 0, 5, 4))
