"""The tables a hyperprior chooses from."""

import numpy as np
import pytest
from scipy.stats import norm

from kerasae.codec.hyperprior_coder import SCALES, count_integers, scale_number, scale_tables, scales
from kerasae.codec.tables import TOTAL


def test_scales_are_in_equal_ratios_and_each_is_nearest_to_itself():
    logs = np.log(scales())
    np.testing.assert_allclose(np.diff(logs), 500 / 4096)
    np.testing.assert_array_equal(scale_number(np.rint(logs * 4096)), np.arange(SCALES))
    np.testing.assert_array_equal(scale_number(np.rint((logs + 0.05) * 4096)), np.arange(SCALES))
    np.testing.assert_array_equal(scale_number(np.array([-(2.0**21), 2.0**21])), [0, SCALES - 1])


def test_without_counts_the_tables_are_those_of_normal_distributions():
    tables = scale_tables()
    np.testing.assert_array_equal(tables.frequencies.sum(axis=1), TOTAL)
    for number in (0, 18, 30, 45):
        scale = scales()[number]
        integers = np.arange(-3, 4)
        expected = norm.cdf((integers + 0.5) / scale) - norm.cdf((integers - 0.5) / scale)
        found = tables.frequencies[number, integers - tables.lowest[number]] / TOTAL
        np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize("number", [5, 20, 40])
def test_what_was_seen_outweighs_the_normal_distribution(number):
    random = np.random.default_rng(0)
    seen = np.rint(random.laplace(0, scales()[number], 200_000)).astype(int)
    tables = scale_tables(count_integers(seen, np.full(seen.shape, number)))
    share = (seen == 0).mean()
    found = tables.frequencies[number, -tables.lowest[number]] / TOTAL
    assert abs(found - share) < 0.01
    # The others are as they were.
    other = SCALES - 1
    np.testing.assert_array_equal(tables.frequencies[other], scale_tables().frequencies[other])
