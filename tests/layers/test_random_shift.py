import keras
import numpy as np
import pytest
from keras import ops

from kerasae.errors import ModelError
from kerasae.layers import RandomShift

IMAGES = np.random.default_rng(0).integers(0, 256, (3, 6, 9, 2)).astype("uint8")


def moved(images, down, right):
    """Return the images moved by so many pixels: padded with their edge, and cut out."""
    most = max(abs(down), abs(right))
    padded = np.pad(images, ((0, 0), (most, most), (most, most), (0, 0)), mode="edge")
    rows, columns = (
        slice(most - by, most - by + side) for by, side in zip((down, right), images.shape[1:3], strict=True)
    )
    return padded[:, rows, columns]


def test_every_output_is_a_moved_copy_and_every_place_is_reached():
    layer, seen = RandomShift(2, seed=3), set()
    places = {moved(IMAGES, down, right).tobytes(): (down, right) for down in range(-2, 3) for right in range(-2, 3)}
    assert len(places) == 25
    for _ in range(250):
        found = ops.convert_to_numpy(layer(IMAGES))
        assert found.dtype == np.uint8
        assert found.shape == IMAGES.shape
        # All images of a batch move alike, or this is none of the copies.
        seen.add(places[found.tobytes()])
    # One of 25 equally likely places is missed by 250 draws once in a thousand times, and the seed is fixed.
    assert len(seen) == 25


def test_an_image_may_be_smaller_than_the_shift():
    layer, small = RandomShift(5, seed=0), IMAGES[:, :2, :2]
    places = {moved(small, down, right).tobytes() for down in range(-5, 6) for right in range(-5, 6)}
    for _ in range(20):
        assert ops.convert_to_numpy(layer(small)).tobytes() in places


def test_the_next_call_draws_anew_and_the_state_brings_the_draw_back():
    layer = RandomShift(4, seed=1)
    state = ops.convert_to_numpy(layer.generator.state.value).copy()
    first, *others = (ops.convert_to_numpy(layer(IMAGES)) for _ in range(4))
    assert any((first != other).any() for other in others)
    layer.generator.state.assign(state)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(IMAGES)), first)


def test_down_and_aside_are_drawn_apart():
    layer, ramp = RandomShift(3, seed=2), np.mgrid[0:9, 0:9].transpose(1, 2, 0)[None].astype("float32")
    middles = np.stack([ops.convert_to_numpy(layer(ramp))[0, 4, 4] for _ in range(60)])
    assert (middles[:, 0] != middles[:, 1]).mean() > 0.5


@pytest.mark.parametrize("most", [0, -1])
def test_a_shift_by_nothing_is_refused(most):
    with pytest.raises(ModelError, match=f"most = {most} moves nothing; it is a number of pixels of 1 or more"):
        RandomShift(most)


def test_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), RandomShift(3, seed=9, name="shift")])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert (loaded.layers[0].most, loaded.layers[0].seed) == (3, 9)
