import keras
import numpy as np
import pytest
from keras import ops

from kerasae.errors import ModelError
from kerasae.layers import RandomStretch

SIDE = 64
# Channel 0 tells the row that a pixel comes from, channel 1 the column, in quarters.
RAMP = np.repeat(4 * np.mgrid[0:SIDE, 0:SIDE].transpose(1, 2, 0)[None], 64, axis=0).astype("float32")
NOISE = np.random.default_rng(0).integers(0, 256, (64, 16, 24, 1)).astype("uint8")


def ways(layer):
    """Return, for each image and side, the first place and the step that the ramp was read with, and the misfit."""
    found = ops.convert_to_numpy(layer(RAMP)) / 4
    along = np.stack([found[:, :, SIDE // 2, 0], found[:, SIDE // 2, :, 1]], axis=1)
    place = np.arange(SIDE)
    # Away from the edges, where a shrunk image is mirrored.
    middle = slice(SIDE // 4, 3 * SIDE // 4)
    fits = np.array([[np.polyfit(place[middle], line[middle], 1) for line in both] for both in along])
    misfit = np.abs(along - fits[..., :1] * place - fits[..., 1:])[..., middle].max()
    return fits[..., 1], fits[..., 0], misfit


def test_half_of_the_images_are_stretched_by_factors_of_their_own_within_the_bounds():
    _, step, misfit = ways(RandomStretch(0.25, seed=1))
    # Cubic convolution keeps a straight line; what is left is the rounding, up to 1/8, and what the fit makes of it.
    assert misfit < 0.25
    still = np.isclose(step, 1, atol=1e-9).all(axis=1)
    assert 20 <= still.sum() <= 44
    moved = step[~still]
    assert (moved > 1 / 1.26).all()
    assert (moved < 1.26).all()
    assert (moved < 0.95).any()
    assert (moved > 1.05).any()
    # Height and width apart.
    assert np.abs(moved[:, 0] - moved[:, 1]).max() > 0.1


def test_an_enlarged_image_is_a_part_and_a_shrunk_one_lies_within_the_frame():
    first, step, _ = ways(RandomStretch(0.5, seed=2))
    last = first + (SIDE - 1) * step
    enlarged = step < 0.98
    assert (first[enlarged] > -0.3).all()
    assert (last[enlarged] < SIDE - 0.7).all()
    shrunk = step > 1.02
    assert (first[shrunk] < 0.3).all()
    assert (last[shrunk] > SIDE - 1.3).all()


def test_whole_intensities_of_the_type_that_came():
    layer = RandomStretch(0.3, seed=3)
    found = ops.convert_to_numpy(layer(NOISE))
    assert found.dtype == np.uint8
    assert found.shape == NOISE.shape
    floats = ops.convert_to_numpy(layer(NOISE.astype("float32")))
    np.testing.assert_array_equal(floats, np.round(floats))
    assert floats.min() >= 0
    assert floats.max() <= 255


def test_an_image_that_is_not_stretched_is_as_it_came_and_a_flat_one_stays_flat():
    found = ops.convert_to_numpy(RandomStretch(0.3, seed=4)(NOISE))
    same = (found == NOISE).all(axis=(1, 2, 3))
    assert 20 <= same.sum() <= 44
    flat = np.full((32, 8, 8, 3), 77, "uint8")
    np.testing.assert_array_equal(ops.convert_to_numpy(RandomStretch(1.0, seed=5)(flat)), flat)


def test_the_next_call_draws_anew_and_the_state_brings_the_draw_back():
    layer = RandomStretch(0.2, seed=6)
    state = ops.convert_to_numpy(layer.generator.state.value).copy()
    first, second = (ops.convert_to_numpy(layer(NOISE)) for _ in range(2))
    assert (first != second).any()
    layer.generator.state.assign(state)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(NOISE)), first)


@pytest.mark.parametrize("most", [0, -0.1, 1.5])
def test_a_share_out_of_range_is_refused(most):
    with pytest.raises(ModelError, match=f"most = {most} is out of range; it is a share above 0 and up to 1"):
        RandomStretch(most)


def test_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), RandomStretch(0.4, seed=9, name="stretch")])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.layers[0].most, loaded.layers[0].seed) == (0.4, 9)
