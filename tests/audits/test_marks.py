"""Marks: their shapes and places, and what is measured where the answer is known in closed form."""

import math

import numpy as np
import pytest
from scipy import ndimage, stats

from kerasae.audits.marks import (
    CONTRASTS,
    KINDS,
    MEASURES,
    SIZES,
    Mark,
    area_under_curve,
    draw_marks,
    mark_shape,
    measure_mark,
)
from tests.conftest import smooth_images

IMAGES = list(smooth_images(40, size=64, seed=3))
NAMES = [f"{place}.png" for place in range(len(IMAGES))]


def measured(mark, original, before, after, cost=0):
    return dict(zip(MEASURES, measure_mark(mark, original, before, after, cost), strict=True))


def mole(size, contrast, *, side=96, channels=1):
    """Return a gray image and a mole in its middle, not rounded to 8 bits."""
    shape = contrast * mark_shape("mole", size, np.random.default_rng(0))[..., np.newaxis]
    top = (side - shape.shape[0]) // 2
    return np.full((side, side, channels), 100, np.uint8), Mark(0, "mole", size, contrast, 1, top, top, shape)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", SIZES)
def test_a_shape_reaches_1_and_is_about_as_large_as_it_says(kind, size):
    shape = mark_shape(kind, size, np.random.default_rng(1))
    assert shape.dtype == np.float32
    assert (shape.min(), shape.max()) == (0 if kind != "mole" else pytest.approx(0, abs=0.02), 1)
    seen = np.argwhere(shape >= 0.5)
    extent = float(np.linalg.norm(np.ptp(seen, axis=0))) + 1
    assert 0.45 * size <= extent <= 1.6 * size + 1.5


def test_marks_are_drawn_by_name_and_seed_and_all_kinds_come_about_as_often():
    marks = draw_marks(IMAGES, NAMES, count=10, seed=5)
    again = draw_marks(IMAGES, NAMES, count=10, seed=5)
    assert [vars(one) | {"shape": one.shape.tolist()} for one in marks] == [
        vars(one) | {"shape": one.shape.tolist()} for one in again
    ]
    other = draw_marks(IMAGES, NAMES, count=10, seed=6)
    assert [(one.top, one.left) for one in marks] != [(one.top, one.left) for one in other]
    for what, values in (("kind", KINDS), ("size", SIZES), ("contrast", CONTRASTS)):
        share = len(marks) / len(values)
        for value in values:
            assert sum(getattr(one, what) == value for one in marks) == pytest.approx(share, rel=0.25), (what, value)


def test_which_mark_an_image_gets_has_nothing_to_do_with_where_it_stands():
    marks = draw_marks(IMAGES, NAMES, count=2, seed=5)
    turned = draw_marks(IMAGES[::-1], NAMES[::-1], count=2, seed=5)
    about = [
        {(one.kind, one.size, one.contrast, one.top) for one in some if one.image == at}
        for some, at in ((marks, 3), (turned, 36))
    ]
    assert about[0] == about[1]
    # Every second image, which two groups may be, gets marks of its own as any other.
    many = draw_marks([IMAGES[0]] * 400, [str(place) for place in range(400)], count=1, seed=0)
    halves = [
        {(one.kind, one.size, one.contrast, one.sign) for one in many if one.image % 2 == half} for half in (0, 1)
    ]
    assert len(halves[0] & halves[1]) > 50


def test_what_is_added_is_the_mark_and_never_leaves_the_range():
    for mark in draw_marks(IMAGES, NAMES, count=4, seed=0):
        image = IMAGES[mark.image]
        marked = mark.on(image)
        difference = (marked.astype(int) - image) / 255
        np.testing.assert_allclose(
            difference[mark.window], np.broadcast_to(mark.shape, difference[mark.window].shape), atol=1e-6
        )
        difference[mark.window] = 0
        assert not difference.any()
        assert np.abs(mark.shape).max() <= mark.contrast + 1 / 255
        assert (mark.sign * mark.shape >= 0).all()


def test_a_mark_lies_where_edges_are_weak():
    image = np.full((96, 96, 1), 100, np.uint8)
    # Stripes all over but in the right half.
    image[:, :48:2] = 160
    for mark in draw_marks([image] * 30, [str(place) for place in range(30)], count=1):
        assert mark.left + mark.shape.shape[1] / 2 > 44, mark


def test_an_image_without_room_has_no_mark():
    assert not [mark for mark in draw_marks([np.zeros((3, 3, 1), np.uint8)] * 40, NAMES, count=4) if mark.size > 4]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_identity_keeps_all_and_leaks_nothing(channels):
    images = [np.repeat(image, channels, axis=-1) for image in IMAGES]
    for mark in draw_marks(images, NAMES, count=3, seed=1):
        original = images[mark.image]
        found = measured(mark, original, original, mark.on(original))
        assert found["retained"] == pytest.approx(1, abs=1e-6)
        assert found["leakage"] == pytest.approx(0, abs=1e-9)
        assert found["psnr_inside"] == math.inf or found["psnr_inside"] > 90
        assert found["seen_after"] - found["seen_before"] == pytest.approx(mark.contrast, abs=1e-6)


@pytest.mark.parametrize("blur", [0.8, 1.5, 3.0])
@pytest.mark.parametrize("size", [8, 12])
def test_a_gaussian_blur_keeps_of_a_gaussian_mole_what_the_integral_says(blur, size):
    """Two Gaussians of variances s² and s² + b², the second of height s²/(s² + b²): ⟨Δ, m⟩/⟨m, m⟩ = 2s²/(2s² + b²)."""
    original, mark = mole(size, 0.5)
    whole = np.zeros(original.shape)
    whole[mark.window] = mark.shape
    after = original + 255 * ndimage.gaussian_filter(whole, (blur, blur, 0), truncate=6)
    sigma = size / (2 * math.sqrt(2 * math.log(2)))
    expected = 2 * sigma**2 / (2 * sigma**2 + blur**2)
    assert measured(mark, original, original.astype(float), after)["retained"] == pytest.approx(expected, rel=0.01)


def test_the_mean_picture_keeps_nothing_and_tells_nothing():
    marks = draw_marks(IMAGES, NAMES, count=3, seed=2)
    mean = np.full_like(IMAGES[0], 128)
    found = [measured(mark, IMAGES[mark.image], mean, mean) for mark in marks]
    assert all(one["retained"] == 0 and one["leakage"] == 0 for one in found)
    assert area_under_curve([one["seen_after"] for one in found], [one["seen_before"] for one in found]) == 0.5


def test_what_is_added_elsewhere_is_leakage_in_shares_of_the_mark_s_energy():
    original, mark = mole(4, 0.5)
    after = mark.on(original).astype(float)
    after[2, 2, 0] += 51
    share = 0.04 / float((mark.shape**2).sum())
    assert measured(mark, original, original, after)["leakage"] == pytest.approx(share)


def test_the_area_under_the_curve_of_two_normals_is_phi_of_their_distance():
    random = np.random.default_rng(0)
    marked, unmarked = random.normal(1, 1, 40_000), random.normal(0, 1, 40_000)
    assert area_under_curve(marked, unmarked) == pytest.approx(stats.norm.cdf(1 / math.sqrt(2)), abs=0.005)
    assert area_under_curve([1, 1, 1], [1, 1]) == 0.5
    assert area_under_curve([2, 3], [0, 1]) == 1
