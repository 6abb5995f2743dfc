"""The bootstrap interval of a mean."""

import numpy as np
import pytest

from kerasae.errors import MetricError
from kerasae.evaluation.statistics import bootstrap_interval


def test_large_samples_give_the_normal_interval():
    values = np.random.default_rng(0).exponential(1.0, 2000) + 30
    low, high = bootstrap_interval(values, resamples=4000)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_level_narrows_the_interval():
    values = np.random.default_rng(0).normal(size=500)
    low, high = bootstrap_interval(values, level=0.5, resamples=4000)
    half = 0.6745 * values.std() / np.sqrt(len(values))
    assert (high - low) / 2 == pytest.approx(half, rel=0.1)


def test_coverage_is_near_nominal():
    rng = np.random.default_rng(1)
    samples = rng.normal(5, 1, (300, 60))
    inside = [low <= 5 <= high for low, high in (bootstrap_interval(s, resamples=600) for s in samples)]
    assert 0.90 <= np.mean(inside) <= 0.985


def test_same_seed_same_interval():
    values = np.random.default_rng(0).random(50)
    assert bootstrap_interval(values, resamples=500) == bootstrap_interval(values, resamples=500)
    assert bootstrap_interval(values, resamples=500) != bootstrap_interval(values, resamples=500, seed=1)


@pytest.mark.parametrize("values", [[0.25], [0.25] * 7])
def test_no_spread_gives_the_value_itself(values):
    assert bootstrap_interval(values) == (0.25, 0.25)


def test_a_small_spread_on_a_large_mean_survives_single_precision():
    spread = np.random.default_rng(0).normal(size=400)
    low, high = bootstrap_interval(spread, resamples=500)
    shifted = bootstrap_interval(spread * 1e-6 + 1e3, resamples=500)
    np.testing.assert_allclose(np.subtract(shifted, 1e3) / 1e-6, (low, high), rtol=1e-3)


@pytest.mark.parametrize(
    ("values", "options", "text"),
    [
        ([], {}, r"shape \(0,\)"),
        ([[1.0]], {}, r"shape \(1, 1\)"),
        ([1.0, np.nan], {}, "1 of 2 values are not finite"),
        ([1.0], {"level": 95}, "level is 95"),
        ([1.0], {"resamples": 0}, "resamples is 0"),
    ],
)
def test_refusals(values, options, text):
    with pytest.raises(MetricError, match=text):
        bootstrap_interval(values, **options)
