import keras
import numpy as np
import pytest
from keras import ops

from kerasae.errors import ModelError
from kerasae.layers import QualityGains
from tests.gradients import central_differences, evaluate, gradients

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


def test_saved_and_loaded(tmp_path):
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
