"""Image sets know when they are another one; splits are disjoint, covering, of whole groups, the same everywhere."""

from collections import Counter

import numpy as np
import pytest

from kerasae.data import ImageSet, split_indices
from kerasae.data.splits import hashed_order, limit_indices, pixel_digest
from kerasae.errors import DataError
from kerasae.recipes import PhotosData

IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1)
NAMES = ("a", "b", "c")


def image_set(count, groups=None):
    images = np.zeros((count, 1, 1, 1), np.uint8)
    return ImageSet.of(images, [f"n{i}" for i in range(count)], groups, label="here", card="folder")


def counts(parts):
    return [len(parts[name]) for name in ("train", "validation", "test")]


def grouped(sizes):
    return [f"g{group}" for group, size in enumerate(sizes) for _ in range(size)]


@pytest.mark.parametrize(("count", "expected"), [(10, [7, 1, 2]), (1000, [700, 100, 200]), (3, [1, 1, 1])])
def test_without_groups_the_fractions_are_exact(count, expected):
    parts = split_indices(image_set(count), PhotosData())
    assert counts(parts) == expected


@pytest.mark.parametrize("groups", [None, grouped([7] * 20), grouped(range(1, 30)), grouped([500] + [3] * 40)])
def test_parts_are_sorted_disjoint_and_cover_all(groups):
    count = 140 if groups is None else len(groups)
    parts = split_indices(image_set(count, groups), PhotosData())
    for part in parts.values():
        assert part.dtype == np.int64
        assert (np.diff(part) > 0).all()
    assert sorted(np.concatenate(list(parts.values()))) == list(range(count))


@pytest.mark.parametrize("seed", range(5))
def test_no_group_falls_into_two_parts(seed):
    groups = grouped(np.random.default_rng(seed).integers(1, 20, 60))
    parts = split_indices(image_set(len(groups), groups), PhotosData(split_seed=seed))
    members = [{groups[index] for index in part} for part in parts.values()]
    assert sum(map(len, members)) == 60


@pytest.mark.parametrize("seed", range(5))
def test_groups_come_within_half_a_group_of_the_fractions(seed):
    groups = grouped(np.random.default_rng(seed).integers(5, 20, 80))
    parts = split_indices(image_set(len(groups), groups), PhotosData(split_seed=seed))
    wanted = np.array([0.7, 0.1, 0.2]) * len(groups)
    assert np.abs(np.array(counts(parts)) - wanted).max() <= 10


def test_one_huge_group_is_trained_on():
    groups = grouped([3] * 20 + [600])
    parts = split_indices(image_set(len(groups), groups), PhotosData())
    assert {groups[index] for index in parts["train"]} >= {"g20"}
    assert min(counts(parts)) > 0


def test_three_groups_are_enough_and_two_are_not():
    assert min(counts(split_indices(image_set(12, grouped([10, 1, 1])), PhotosData()))) == 1
    with pytest.raises(DataError, match="here has 2 groups; training, validation and test need at least one group"):
        split_indices(image_set(12, grouped([6, 6])), PhotosData())
    with pytest.raises(DataError, match=r"here has 2 images; .* at least 3"):
        split_indices(image_set(2), PhotosData())


def test_the_seed_alone_decides():
    first, again, other = (split_indices(image_set(200), PhotosData(split_seed=seed)) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first["test"], again["test"])
    assert set(first["test"]) != set(other["test"])
    shape = split_indices(image_set(200), PhotosData(split_seed=3, image_size=64, channels=3))
    np.testing.assert_array_equal(first["test"], shape["test"])


def test_the_split_is_the_same_on_every_machine():
    assert split_indices(image_set(20), PhotosData())["test"].tolist() == [2, 3, 14, 15]
    assert hashed_order(["a", "b", "c", "d", "e"], seed=1, purpose="split") == [2, 4, 1, 3, 0]


def test_the_order_of_the_files_does_not_matter():
    names = [f"n{i}" for i in range(50)]
    ahead = [names[place] for place in hashed_order(names, seed=0, purpose="split")]
    behind = [names[::-1][place] for place in hashed_order(names[::-1], seed=0, purpose="split")]
    assert ahead == behind


def test_one_more_file_moves_few_others():
    before, after = image_set(1000), image_set(1001)
    parts = split_indices(before, PhotosData()), split_indices(after, PhotosData())
    moved = sum(len(set(parts[0][name]) - set(parts[1][name])) for name in parts[0])
    assert moved <= 2


def test_limit_keeps_that_many_and_is_repeatable():
    names = [f"n{i}" for i in range(100)]
    keep = limit_indices(names, None, limit=17, seed=5)
    assert len(set(keep)) == 17
    assert keep == sorted(keep) == limit_indices(names, None, limit=17, seed=5)
    assert keep != limit_indices(names, None, limit=17, seed=6)
    assert limit_indices(names, None, limit=100, seed=5) == limit_indices(names, None, limit=None, seed=5)


def test_limit_keeps_whole_groups_where_they_are_small():
    groups = grouped([5] * 40)
    keep = limit_indices([f"n{i}" for i in range(200)], groups, limit=100, seed=0)
    assert set(Counter(groups[index] for index in keep).values()) == {5}


def test_limit_leaves_enough_groups_to_split():
    groups = grouped([100] * 8)
    keep = limit_indices([f"n{i}" for i in range(800)], groups, limit=60, seed=0)
    kept = Counter(groups[index] for index in keep)
    assert sum(kept.values()) == 60
    assert len(kept) == 8


def of(images=IMAGES, names=NAMES, groups=None):
    return ImageSet.of(images, names, groups, label="here", card="folder")


def test_fingerprint_is_16_digits_and_stays():
    assert of().fingerprint == of(IMAGES.copy(), list(NAMES)).fingerprint
    assert len(of().fingerprint) == 16
    assert int(of().fingerprint, 16) >= 0


def test_fingerprint_does_not_depend_on_platform_or_version():
    assert of(groups=("x", "x", "y")).fingerprint == "67f1e8f08f4e43b7"


def test_fingerprint_changes_with_pixels_shape_names_and_groups():
    changed = IMAGES.copy()
    changed[2, 3, 3, 0] ^= 1
    sets = [
        of(),
        of(changed),
        of(IMAGES.reshape(3, 2, 8, 1)),
        of(names=("a", "b", "d")),
        of(names=("ab", "", "c")),
        of(groups=("x", "x", "y")),
        of(groups=("x", "y", "y")),
    ]
    assert len({one.fingerprint for one in sets}) == len(sets)


def test_digest_of_a_slice_and_of_its_copy_agree():
    assert pixel_digest(IMAGES[::2]) == pixel_digest(IMAGES[::2].copy())


def test_what_does_not_fit_together_is_refused():
    with pytest.raises(DataError, match="3 images with 2 names and no groups"):
        of(names=("a", "b"))
    with pytest.raises(DataError, match="3 images with 3 names and 1 groups"):
        of(groups=("x",))
    with pytest.raises(DataError, match="two images have the same name"):
        of(names=("a", "b", "a"))
    with pytest.raises(DataError, match="type float64 arrived from here; needed is uint8"):
        of(IMAGES.astype(float))


def test_floats_become_the_nearest_8_bits_and_uint8_stays_as_it_is():
    exact = np.arange(2 * 3 * 5 * 4, dtype=np.uint8).reshape(2, 3, 5, 4)
    assert ImageSet.from_array(exact).images is exact
    for kind in (np.float16, np.float32, np.float64):
        images = ImageSet.from_array((exact / 255).astype(kind), groups=[7, 8])
        np.testing.assert_array_equal(images.images, exact)
    assert images.names == ("image_000000", "image_000001")
    assert (images.groups, images.label, images.card) == (("7", "8"), "array", "array")


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (np.zeros((4, 8, 8), np.uint8), r"shape \(4, 8, 8\) arrived; .* give gray images a channel"),
        (np.zeros((4, 3, 8, 9), np.uint8), r"its channels seemingly first; .* np.moveaxis\(images, 1, -1\)"),
        (np.zeros((0, 8, 8, 1), np.uint8), r"shape \(0, 8, 8, 1\) with nothing in it arrived"),
        (np.zeros((8, 8), np.uint8), r"shape \(8, 8\) arrived; needed are images of"),
        (np.zeros((4, 8, 8, 1), np.int64), "type int64 arrived"),
        (np.full((4, 8, 8, 1), 255.0, np.float32), "float32 values from 255 to 255 arrived; .* divide by 255"),
        (np.full((4, 8, 8, 1), -1.0), r"float64 values from -1 to -1 arrived; .* in \[0, 1\]$"),
        (np.full((4, 8, 8, 1), np.nan), "holds NaN or infinity"),
    ],
)
def test_an_array_that_holds_no_images_is_refused(images, message):
    with pytest.raises(DataError, match=f"array: .*{message}"):
        ImageSet.from_array(images)


def test_groups_and_names_are_one_for_each_image():
    with pytest.raises(DataError, match="array: 2 groups arrived for 3 images"):
        ImageSet.from_array(IMAGES, groups=["x", "y"])
    with pytest.raises(DataError, match="array: 4 names arrived for 3 images"):
        ImageSet.from_array(IMAGES, names="abcd")


def test_given_splits_go_before_those_of_the_recipe():
    images = ImageSet.from_array(IMAGES, splits={"validation": [2, 0]})
    parts = split_indices(images, PhotosData())
    assert {name: part.tolist() for name, part in parts.items()} == {"train": [], "validation": [0, 2], "test": []}
    assert images.fingerprint != ImageSet.from_array(IMAGES).fingerprint
    for splits, message in (
        ({"val": [0]}, "there is no split 'val'"),
        ({"train": [3]}, "splits have indexes 3 to 3 of 3 images"),
        ({"train": [0, 1], "test": [1]}, "in two splits"),
    ):
        with pytest.raises(DataError, match=message):
            ImageSet.from_array(IMAGES, splits=splits)
