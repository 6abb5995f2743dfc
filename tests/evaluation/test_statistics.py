"""Bootstrap, intervals and tests over seeds and images, Holm: against scipy, and simulations with a known effect."""

import numpy as np
import pytest
from scipy import stats

from kerasae.errors import MetricError, StatisticsError
from kerasae.evaluation.statistics import (
    bootstrap_interval,
    holm,
    mean_variance,
    paired_difference,
    seed_interval,
    t_interval,
)

STUDIES = 1000


# === Bootstrap ===


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
def test_bootstrap_refuses(values, options, text):
    with pytest.raises(MetricError, match=text):
        bootstrap_interval(values, **options)


# === Seeds and images ===


def made_up(random, *, seeds=3, images=200, effect=0.0, spreads=(0.2, 0.2), own=1.0, rest=0.3):
    """Return two sides ``(seeds, images)`` in dB whose true difference is ``effect``.

    Images are hard for both sides alike (3 dB), one side does better on some (``own``), a training has luck
    (``spreads``), and luck on each image (``rest``).
    """
    hard, taste = random.normal(0, 3, images), random.normal(0, own, images)
    first, second = (
        random.normal(0, spread, (seeds, 1)) + random.normal(0, rest, (seeds, images)) + hard for spread in spreads
    )
    return first + taste + effect, second


def interval_of(first, second):
    """Return what ``paired_difference`` does over seeds and images, without its bootstrap, which takes 0.3 s."""
    per_image = (first - second).mean(axis=0)
    seeds = [mean_variance(side.mean(axis=1)) for side in (first, second)]
    return t_interval(float(per_image.mean()), seeds, mean_variance(per_image), 0.95)


@pytest.mark.parametrize(
    "settings",
    [
        {"spreads": (0.1, 0.1)},
        {"spreads": (0.5, 0.5)},
        {"spreads": (0.5, 0.05)},
        {"spreads": (0.2, 0.05), "images": 500},
        {"spreads": (0.0, 0.0)},
        {"spreads": (0.5, 0.05), "seeds": 5},
        {"spreads": (0.2, 0.2), "seeds": 5, "rest": 1.0},
    ],
    ids=str,
)
def test_the_interval_covers_the_truth_in_95_percent_of_studies(settings):
    random = np.random.default_rng(1)
    covered = 0
    for _ in range(STUDIES):
        low, high, _ = interval_of(*made_up(random, effect=0.3, **settings))
        covered += low <= 0.3 <= high
    assert 0.93 <= covered / STUDIES <= 0.97


@pytest.mark.parametrize("spreads", [(0.1, 0.1), (0.5, 0.05), (0.0, 0.0)])
def test_without_an_effect_alarms_are_false_in_at_most_5_percent_of_studies(spreads):
    random = np.random.default_rng(2)
    alarms = np.mean([interval_of(*made_up(random, spreads=spreads))[2] < 0.05 for _ in range(2 * STUDIES)])
    # The standard error of 5 % over 2,000 studies is half a point.
    assert alarms <= 0.06


def test_seeds_that_do_not_spread_leave_the_paired_t_test():
    random = np.random.default_rng(3)
    first, second = made_up(random, seeds=1, spreads=(0, 0), rest=0.0, effect=0.1)
    first, second = np.repeat(first, 3, axis=0), np.repeat(second, 3, axis=0)
    found = paired_difference(first, second)
    expected = stats.ttest_rel(first[0], second[0])
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_images_that_do_not_differ_leave_welchs_t_test():
    first = np.array([30.1, 30.4, 30.2])[:, None] + np.zeros((3, 50))
    second = np.array([29.6, 30.3, 29.9, 29.5])[:, None] + np.zeros((4, 50))
    found = paired_difference(first, second)
    expected = stats.ttest_ind(first[:, 0], second[:, 0], equal_var=False)
    interval = expected.confidence_interval(0.95)
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx((interval.low, interval.high), rel=1e-6)


def test_p_and_interval_agree():
    random = np.random.default_rng(4)
    for _ in range(200):
        low, high, p = interval_of(*made_up(random, effect=0.4))
        assert (p < 0.05) == (low > 0 or high < 0)


def test_the_images_part_is_wilcoxons_and_the_bootstrap_s():
    random = np.random.default_rng(5)
    first, second = made_up(random, effect=0.2)
    per_image = first.mean(axis=0) - second.mean(axis=0)
    found = paired_difference(first, second)
    assert found.p_images == stats.wilcoxon(per_image, zero_method="zsplit").pvalue
    half = 1.96 * per_image.std(ddof=1) / np.sqrt(per_image.size)
    assert found.images_low == pytest.approx(per_image.mean() - half, abs=0.03)
    assert found.images_high == pytest.approx(per_image.mean() + half, abs=0.03)


def test_the_spread_is_pooled():
    first = np.array([1.0, 2.0, 3.0])[:, None] + np.zeros((3, 4))
    second = np.array([5.0, 5.0])[:, None] + np.zeros((2, 4))
    # Variances 1 with two degrees of freedom and 0 with one.
    assert paired_difference(first, second).seed_spread == pytest.approx(np.sqrt(2 / 3))


def test_one_seed_says_nothing_of_another_training():
    random = np.random.default_rng(6)
    found = paired_difference(*made_up(random, seeds=1))
    assert found.low is found.high is found.p is found.seed_spread is None
    assert found.images_low < found.mean < found.images_high


def test_equal_sides_do_not_differ():
    scores = np.random.default_rng(7).normal(30, 1, (3, 20))
    found = paired_difference(scores, scores)
    assert (found.mean, found.p_images) == (0.0, 1.0)
    assert found.low < 0 < found.high


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        (np.zeros(5), np.zeros((1, 5)), r"first has shape \(5,\)"),
        (np.zeros((2, 5)), np.zeros((2, 6)), "scored on 5 and 6 images"),
        (np.zeros((2, 1)), np.zeros((2, 1)), "two images at least"),
        (np.full((2, 3), np.nan), np.zeros((2, 3)), "6 numbers that are not finite"),
    ],
)
def test_what_does_not_compare_is_refused(first, second, says):
    with pytest.raises(StatisticsError, match=says):
        paired_difference(first, second)


@pytest.mark.parametrize("spread", [0.0, 0.05, 0.5])
def test_the_interval_of_one_cell_covers_its_truth(spread):
    random = np.random.default_rng(8)
    covered = 0
    for _ in range(STUDIES):
        side = 30 + random.normal(0, spread, (3, 1)) + random.normal(0, 3, 300) + random.normal(0, 0.3, (3, 300))
        found = seed_interval(side)
        covered += found.low <= 30 <= found.high
    assert 0.93 <= covered / STUDIES <= 0.97


def test_a_cell_with_one_seed_has_the_bootstrap_interval():
    side = np.random.default_rng(9).normal(30, 2, (1, 400))
    found = seed_interval(side)
    assert found.std_over_seeds is None
    assert found.per_seed == (side.mean(),)
    assert found.high - found.low == pytest.approx(2 * 1.96 * 2 / 20, rel=0.15)


def test_an_interval_does_not_leave_the_metric_s_own_range():
    side = 0.97 + np.array([-0.02, 0.0, 0.02])[:, None] + np.zeros((3, 10))
    assert seed_interval(side).high > 1
    cut = seed_interval(side, within=(-1.0, 1.0))
    assert cut.high == 1
    assert cut.low == seed_interval(side).low


# === Holm ===


def test_holm_by_hand():
    # Sorted .01, .02, .03, .04 count 4, 3, 2 and 1 times; none may be below the one before.
    assert holm([0.02, 0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.06, 0.04, 0.06])


def test_holm_keeps_the_order_and_nothing_exceeds_1():
    assert holm([0.9, 0.001, 0.8]) == pytest.approx([1.0, 0.003, 1.0])


def test_one_test_needs_no_correction():
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


def test_a_family_without_effects_raises_a_false_alarm_in_at_most_5_percent():
    random = np.random.default_rng(0)
    families = random.uniform(size=(4000, 12))
    alarms = np.mean([min(holm(family)) < 0.05 for family in families])
    # The standard error is 0.35 points.
    assert 0.04 < alarms < 0.06
