import keras
import numpy as np
from keras import ops
from scipy import stats

from kerasae.layers import UniformNoise
from tests.gradients import gradients


def test_what_is_added_is_uniform_and_fresh():
    noise, zeros = UniformNoise(seed=3), np.zeros((20_000,), "float32")
    first, second = (ops.convert_to_numpy(noise(zeros)) for _ in range(2))
    assert abs(first).max() <= 0.5
    # Kolmogorov and Smirnov: a uniform sample is refused once in a thousand seeds, and the seed is fixed.
    assert stats.kstest(first, stats.uniform(-0.5, 1.0).cdf).pvalue > 1e-3
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.04


def test_the_seed_decides_and_the_state_is_kept():
    zeros = np.zeros((4, 5), "float32")
    noise, again, other = UniformNoise(seed=1), UniformNoise(seed=1), UniformNoise(seed=2)
    drawn = [ops.convert_to_numpy(layer(zeros)) for layer in (noise, again, other)]
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert abs(drawn[0] - drawn[2]).max() > 0.1
    again.generator.state.assign(noise.generator.state)
    np.testing.assert_array_equal(*(ops.convert_to_numpy(layer(zeros)) for layer in (noise, again)))


def test_the_gradient_passes():
    (gradient,) = gradients(lambda x: ops.sum(2.0 * UniformNoise()(x)), [np.ones((2, 3))])
    np.testing.assert_array_equal(gradient, np.full((2, 3), 2.0))


def test_saved_and_loaded(tmp_path):
    model = keras.Sequential([keras.Input((None, None, 2)), UniformNoise(seed=9, name="noise")])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert loaded.layers[0].seed == 9
