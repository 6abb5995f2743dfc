""""""

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.errors import ModelError
from kerasae.layers import GaussianCorruption, RandomFlip, RandomShift, RandomStretch


def test_each_image_is_itself_or_its_mirror_image_about_half_of_the_time():
    images = np.random.default_rng(0).uniform(size=(400, 4, 6, 2)).astype("float32")
    seen = keras.ops.convert_to_numpy(RandomFlip(seed=1)(images))
    same = (seen == images).all(axis=(1, 2, 3))
    mirrored = (seen == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (same ^ mirrored).all()
    # Five standard deviations of a fair coin.
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / 400**0.5


def test_the_next_call_draws_anew_and_the_state_brings_the_draw_back():
    images = np.random.default_rng(0).uniform(size=(64, 4, 6, 1)).astype("float32")
    layer = RandomFlip(seed=1)
    state = keras.ops.convert_to_numpy(layer.generator.state.value).copy()
    first, second = (keras.ops.convert_to_numpy(layer(images)) for _ in range(2))
    assert (first != second).any()
    layer.generator.state.assign(state)
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(images)), first)


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


def test_the_next_call_draws_anew_and_the_state_brings_the_draw_back_of_random_shift():
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


def test_the_next_call_draws_anew_and_the_state_brings_the_draw_back_of_random_stretch():
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


def test_saved_and_loaded_of_random_stretch(tmp_path):
    model = keras.Sequential([keras.Input((8, 8, 1)), RandomStretch(0.4, seed=9, name="stretch")])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert (loaded.layers[0].most, loaded.layers[0].seed) == (0.4, 9)


def test_noise_has_the_moments_asked_for():
    gray = np.full((8, 64, 64, 1), 0.5, "float32")
    noise = ops.convert_to_numpy(GaussianCorruption(0.05, seed=1)(gray)) - 0.5
    # 32,768 draws: the standard error of the mean is 0.05/181, that of the std 0.05/256.
    assert abs(noise.mean()) < 5 * 0.05 / 181
    assert abs(noise.std() - 0.05) < 5 * 0.05 / 256


def test_noise_is_clipped_to_the_range_of_intensities():
    black = np.zeros((2, 64, 64, 1), "float32")
    noisy = ops.convert_to_numpy(GaussianCorruption(0.5, seed=1)(black))
    assert noisy.min() == 0
    assert noisy.max() == 1
    # Half of the noise falls below black.
    assert abs((noisy == 0).mean() - 0.5) < 0.03


def test_every_call_draws_anew_and_a_seed_draws_again():
    gray = np.full((1, 8, 8, 1), 0.5, "float32")
    layer = GaussianCorruption(0.1, seed=3)
    first, second = (ops.convert_to_numpy(layer(gray)) for _ in range(2))
    again = ops.convert_to_numpy(GaussianCorruption(0.1, seed=3)(gray))
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(first, again)


def test_without_noise_nothing_changes():
    images = np.random.default_rng(0).uniform(size=(2, 8, 8, 1)).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(GaussianCorruption(0.0)(images)), images)


def test_config_round_trip():
    layer = GaussianCorruption.from_config(GaussianCorruption(0.2, seed=7).get_config())
    assert (layer.sigma, layer.seed) == (0.2, 7)


@pytest.mark.parametrize("sigma", [-0.1, 1.5])
def test_an_impossible_sigma_is_refused(sigma):
    with pytest.raises(ModelError, match=rf"sigma = {sigma} is out of range; it is a standard deviation in \[0, 1\]"):
        GaussianCorruption(sigma)
