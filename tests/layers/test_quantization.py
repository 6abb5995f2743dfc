""""""

import keras
import numpy as np
import pytest
from keras import ops
from scipy import stats

from kerasae.errors import ModelError
from kerasae.layers import QualityGains, UniformNoise, straight_through_round
from tests.gradients import central_differences, evaluate, gradients


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


def test_is_exactly_round_with_halves_to_even():
    random = np.random.default_rng(0)
    x = np.concatenate(
        [np.arange(-6, 6.5, 0.5), random.normal(scale=30, size=5000), [0.49999997, 8388607.5, -3e7, 1e30]]
    ).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(straight_through_round(x)), np.rint(x))


def test_the_gradient_is_that_of_the_identity():
    x = np.array([-1.5, 0.2, 0.5, 7.7])
    (gradient,) = gradients(lambda x: ops.sum(ops.square(straight_through_round(x))), [x])
    np.testing.assert_array_equal(gradient, 2 * np.rint(x))


def test_saved_as_an_activation(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation(straight_through_round)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.array([[0.4, 1.5, -2.6]], "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(x)), [[0, 2, -3]])


QUALITIES = [1.0, 1.25, 1.9, 2.0, 2.5, 3.75, 4.0]


def trained(levels=4, channels=3, seed=0):
    """Return gains as training might leave them: every level and channel of its own."""
    random = np.random.default_rng(seed)
    gains = QualityGains(levels, channels, span=5.0)
    for weight in gains.weights:
        weight.assign(ops.convert_to_numpy(weight) + random.normal(scale=0.5, size=weight.shape))
    return gains


def logs_of(gains):
    return [ops.convert_to_numpy(weight).astype("float64") for weight in (gains.log_steps, gains.log_corrections)]


def test_between_levels_the_logarithms_are_interpolated():
    gains = trained()
    found = evaluate(gains, np.array(QUALITIES))
    for values, logs in zip(found, logs_of(gains), strict=True):
        assert values.shape == (len(QUALITIES), 1, 1, 3)
        for quality, value in zip(QUALITIES, values[:, 0, 0], strict=True):
            expected = [np.exp(np.interp(quality - 1, np.arange(4), logs[:, channel])) for channel in range(3)]
            np.testing.assert_allclose(value, expected, rtol=1e-5)


@pytest.mark.parametrize("levels", [1, 2, 4])
def test_steps_are_what_the_call_gives_in_float64(levels):
    gains = trained(levels)
    qualities = np.linspace(0.5, levels + 0.5, 23)
    called = evaluate(gains, qualities)
    for place, quality in enumerate(qualities):
        for alone, values in zip(gains.steps(float(quality)), called, strict=True):
            assert alone.dtype == np.float64
            np.testing.assert_allclose(alone, values[place, 0, 0], rtol=1e-5)


def test_beyond_the_levels_it_is_the_last_one():
    gains = trained()
    for far, end in ((-3.0, 1.0), (0.9, 1.0), (4.1, 4.0), (100.0, 4.0)):
        for ours, theirs in zip(gains.steps(far), gains.steps(end), strict=True):
            np.testing.assert_array_equal(ours, theirs)
        for values in evaluate(gains, np.array([far, end])):
            np.testing.assert_array_equal(values[0], values[1])


@pytest.mark.parametrize("levels", [2, 3, 8])
def test_the_start_is_the_span_in_equal_ratios_around_1(levels):
    gains = QualityGains(levels, 2, span=6.0)
    steps = np.stack([gains.steps(quality)[0] for quality in range(1, levels + 1)])
    np.testing.assert_allclose(steps[0] / steps[-1], 6.0, rtol=1e-6)
    np.testing.assert_allclose(steps[1:] / steps[:-1], 6.0 ** (-1 / (levels - 1)), rtol=1e-6)
    np.testing.assert_allclose(np.exp(np.log(steps).mean(axis=0)), 1, rtol=1e-6)
    np.testing.assert_array_equal(gains.steps(1.5)[1], [1, 1])


def test_one_level_has_a_step_of_1_whatever_the_span():
    np.testing.assert_array_equal(QualityGains(1, 3, span=9.0).steps(1.0)[0], [1, 1, 1])


def test_gradients_reach_the_two_levels_around_a_quality_and_no_other():
    gains = trained()
    shares = np.random.default_rng(1).normal(size=(2, 3))
    found = gradients(
        lambda quality: sum(
            ops.sum(ops.convert_to_tensor(share.astype("float32")) * values)
            for share, values in zip(shares, gains(quality), strict=True)
        ),
        [np.array([2.25])],
        gains.weights,
    )[1:]

    def total(*weights):
        return sum((share * np.exp(0.75 * w[1] + 0.25 * w[2])).sum() for share, w in zip(shares, weights, strict=True))

    for ours, theirs in zip(found, central_differences(total, logs_of(gains)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6)
        assert not ours[[0, 3]].any()


@pytest.mark.parametrize(("levels", "span"), [(0, 1.0), (3, 0.0), (3, -2.0)])
def test_what_are_no_levels_or_no_span_is_refused(levels, span):
    with pytest.raises(ModelError, match=rf"{levels} levels over a span of {span}; it needs 1 level or more"):
        QualityGains(levels, 2, span=span)


def test_saved_and_loaded_of_quality_gains(tmp_path):
    gains = trained()
    inputs = keras.Input(())
    model = keras.Model(inputs, gains(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == gains.get_config()
    qualities = np.array(QUALITIES, "float32")
    for ours, theirs in zip(model.predict_on_batch(qualities), loaded.predict_on_batch(qualities), strict=True):
        assert ours.shape == (len(QUALITIES), 1, 1, 3)
        np.testing.assert_array_equal(ours, theirs)
