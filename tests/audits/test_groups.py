"""Groups: intervals that know of persons hold what they promise, gaps are found where they are and only there."""

import math

import numpy as np
import pytest
from scipy import stats

from kerasae.audits.groups import LEAST_UNITS, corrected, group_labels, group_scores, quarters
from kerasae.errors import DataError
from kerasae.evaluation.statistics import clustered_gap, clustered_mean, effective_units

AUDITS = 2000


def persons(random, count, most):
    """Return whose each image is: of ``count`` persons one to ``most`` images each."""
    return np.repeat(np.arange(count), random.integers(1, most + 1, count))


@pytest.mark.parametrize(("count", "most", "spread"), [(60, 1, 0.0), (25, 8, 0.0), (25, 8, 1.0), (12, 5, 1.0)])
def test_the_interval_of_a_mean_holds_the_truth_in_95_of_100_audits(count, most, spread):
    held = 0
    random = np.random.default_rng(1)
    for _ in range(AUDITS):
        units = persons(random, count, most)
        values = 3 + spread * random.normal(size=count)[units] + random.normal(size=len(units))
        found = clustered_mean(values, units)
        held += found.low <= 3 <= found.high
    assert held / AUDITS == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("counts", [[40] * 3 + [1] * 7, [40] + [1] * 9])
def test_a_few_persons_of_many_images_do_not_make_it_too_sure(counts):
    held, random, units = 0, np.random.default_rng(9), np.repeat(np.arange(len(counts)), counts)
    for _ in range(1000):
        values = random.normal(size=len(counts))[units] + random.normal(size=len(units))
        found = clustered_mean(values, units)
        held += found.low <= 0 <= found.high
    assert held / 1000 >= 0.93
    assert effective_units(units) < 4
    assert effective_units(np.repeat(np.arange(12), 5)) == pytest.approx(12)


def test_p_is_what_it_says_far_out_too_where_all_persons_are_on_both_sides():
    random, below = np.random.default_rng(10), np.zeros(2)
    units, inside = np.tile(np.arange(10), 2), np.arange(20) < 10
    for _ in range(4000):
        p = clustered_gap(random.normal(size=10)[units] + random.normal(size=20), units, inside)[1]
        below += [p < 0.05, p < 0.01]
    assert below / 4000 == pytest.approx([0.05, 0.01], rel=0.25)


def test_images_of_one_person_counted_as_independent_would_promise_too_much():
    held = 0
    random = np.random.default_rng(2)
    for _ in range(500):
        units = persons(random, 25, 8)
        values = random.normal(size=25)[units] + random.normal(size=len(units))
        found = clustered_mean(values, np.arange(len(units)))
        held += found.low <= 0 <= found.high
    assert held / 500 < 0.85


def test_without_persons_it_is_student_s_interval():
    values = np.random.default_rng(3).normal(size=30)
    found = clustered_mean(values, np.arange(30))
    low, high = stats.t.interval(0.95, 29, values.mean(), stats.sem(values))
    assert (found.low, found.high, found.units) == (pytest.approx(low), pytest.approx(high), 30)
    assert clustered_mean([2.0, 4.0], ["a", "a"]).low is None


def test_the_gap_of_two_groups_without_persons_is_welch_s():
    random = np.random.default_rng(4)
    values, inside = random.normal(size=50), np.arange(50) < 20
    values[inside] += 1
    gap, p = clustered_gap(values, np.arange(50), inside)
    expected = stats.ttest_ind(values[inside], values[~inside], equal_var=False)
    interval = expected.confidence_interval()
    assert (gap.low, gap.high) == (pytest.approx(interval.low), pytest.approx(interval.high))
    assert p == pytest.approx(expected.pvalue)


def test_a_person_with_images_in_both_groups_counts_with_the_difference():
    """The same persons on both sides: what they have in common drops out, as in a paired test."""
    random = np.random.default_rng(5)
    person = random.normal(size=20) * 10
    first, second = person + random.normal(size=20) * 0.1 + 0.2, person + random.normal(size=20) * 0.1
    gap, p = clustered_gap(np.concatenate([first, second]), np.tile(np.arange(20), 2), np.arange(40) < 20)
    assert gap.mean == pytest.approx((first - second).mean())
    assert gap.high - gap.low < 0.2
    assert p < 1e-3


def test_a_planted_gap_is_found_at_the_power_of_the_formula():
    """Of ``count`` persons a side with ``images`` each, spreads τ and σ: the t test of their means."""
    count, images, tau, sigma, planted = 20, 5, 1.0, 2.0, 1.2
    random, found = np.random.default_rng(6), 0
    units = np.repeat(np.arange(2 * count), images)
    labels = np.where(units < count, "a", "b")
    for _ in range(1000):
        values = tau * random.normal(size=2 * count)[units] + sigma * random.normal(size=len(units))
        values[labels == "a"] -= planted
        rows = group_scores({"who": labels}, {"psnr": values}, units)
        found += rows[0].p < 0.05
        assert rows[0].gap.mean == -rows[1].gap.mean
        assert rows[1].p is None
    distance = planted / math.sqrt(2 * (tau**2 + sigma**2 / images) / count)
    freedom = 2 * count - 2
    critical = stats.t.ppf(0.975, freedom)
    power = stats.nct.sf(critical, freedom, distance) + stats.nct.cdf(-critical, freedom, distance)
    assert found / 1000 == pytest.approx(power, abs=0.04)


def test_no_gap_is_reported_where_there_is_none_in_93_of_100_audits():
    random, quiet = np.random.default_rng(7), 0
    for _ in range(400):
        units = persons(random, 80, 6)
        labels = {"age": np.array(list("abcd"))[units % 4], "light": np.array(list("xy"))[units % 2]}
        common = random.normal(size=80)[units]
        scores = {name: common + random.normal(size=len(units)) for name in ("psnr", "ssim", "bits_per_pixel")}
        others = {name: values + random.normal(size=len(units)) for name, values in scores.items()}
        # Two qualities of a model: all that is said of it is one family.
        rows = corrected([group_scores(labels, found, units) for found in (scores, others)])
        quiet += all(row.p is None or row.p >= 0.05 for some in rows for row in some)
    assert quiet / 400 >= 0.93


def test_beside_a_classical_codec_stands_how_far_the_model_s_gap_goes_beyond():
    random = np.random.default_rng(11)
    units, labels = np.arange(200), ["a", "b"] * 100
    picture = np.where(np.array(labels) == "a", -2.0, 0.0) + random.normal(size=200)
    model = picture - np.where(np.array(labels) == "a", 0.5, 0.0) + 0.01 * random.normal(size=200)
    rows = group_scores({"who": labels}, {"psnr": picture}, units, model={"psnr": model})
    assert rows[0].gap.mean == pytest.approx(-2, abs=0.5)
    assert rows[0].beyond.mean == pytest.approx(-0.5, abs=0.01)
    assert rows[0].beyond.high < -0.48


def test_a_group_of_few_persons_is_named_and_not_ranked():
    units = np.repeat(np.arange(30), 4)
    labels = np.where(units < LEAST_UNITS - 1, "few", "many")
    rows = group_scores({"who": labels}, {"psnr": np.random.default_rng(8).normal(size=120)}, units)
    few, many = rows
    assert (few.group, few.is_small, few.gap, few.p) == ("few", True, None, None)
    assert (many.is_small, many.gap, many.p) == (False, None, None)


def test_a_column_of_numbers_is_cut_into_quarters_and_others_into_their_values():
    numbers = [str(number) for number in range(100)]
    labels = group_labels("age", numbers)
    assert sorted(set(labels)) == [
        "quarter 1: 0 to 24", "quarter 2: 25 to 49", "quarter 3: 50 to 74", "quarter 4: 75 to 99",
    ]  # fmt: skip
    assert group_labels("fold", ["1", "2", "3"] * 2) == ["1", "2", "3"] * 2
    assert quarters(np.array([2001.0, 2002.0, 2003.0, 2004.0]))[3] == "quarter 4: 2004 to 2004"
    assert len(set(quarters(np.zeros(10)))) == 1


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["a"] * 3, r"the column 'who' has the value 'a' for all 3 images: there is nothing to compare; name another"),
        (
            ["a", "b", "c"],
            r"has 3 values for 3 images: most are on one or two; name a column that .* pass --person who",
        ),
        (
            [str(place) for place in range(30)] + ["nan"],
            r"holds numbers and 1 that are none, such as 'nan'; give these",
        ),
    ],
)
def test_a_column_that_says_nothing_is_refused(values, says):
    with pytest.raises(DataError, match=says):
        group_labels("who", values)
