import numpy as np
import pytest
from keras import ops

from kerasae.errors import ModelError
from kerasae.layers import GaussianCorruption


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
