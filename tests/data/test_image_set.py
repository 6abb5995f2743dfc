"""An image set knows when it is another one."""

import numpy as np
import pytest

from kerasae.data import ImageSet
from kerasae.data.splits import pixel_digest
from kerasae.errors import DataError

IMAGES = np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4, 1)
NAMES = ("a", "b", "c")


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
