from functools import partial

import numpy as np
import pytest
from scipy import stats

from kerasae.entropy import (
    FactorizedDensity,
    GaussianDensity,
    LogisticMixtureDensity,
    integer_probabilities,
    integer_support,
    medians,
)
from kerasae.errors import ModelError
from tests.entropy.densities import KINDS, trained


def test_a_gaussian_s_support_is_that_of_its_quantiles():
    scales = np.array([0.11, 1.0, 30.0])
    log_cumulatives = partial(GaussianDensity().log_cumulatives, scale=scales, mean=np.array([0.0, 7.3, -1000.2]))
    lowest, highest = integer_support(log_cumulatives, 3, tail_bits=15)
    reach, means = -stats.norm.ppf(2.0**-16) * scales, np.array([0.0, 7.3, -1000.2])
    np.testing.assert_array_equal(lowest, np.floor(means + 0.5 - reach))
    np.testing.assert_array_equal(highest, np.ceil(means - 0.5 + reach))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tail_bits", [1, 8, 20, 60])
def test_outside_there_is_so_little_and_no_narrower_range_will_do(kind, tail_bits):
    density = trained(kind, channels=5)
    lowest, highest = integer_support(density.log_cumulatives, 5, tail_bits)
    assert lowest.dtype == highest.dtype == np.int64
    half = -(tail_bits + 1) * np.log(2)
    assert (density.log_cumulatives(lowest - 0.5)[0] <= half).all()
    assert (density.log_cumulatives(lowest + 0.5)[0] > half).all()
    assert (density.log_cumulatives(highest + 0.5)[1] <= half).all()
    assert (density.log_cumulatives(highest - 0.5)[1] > half).all()


def test_a_density_far_from_0_is_found():
    density = LogisticMixtureDensity(2, components=1, initial_scale=1.0)
    density.means.assign([[5e6], [-3e5]])
    lowest, highest = integer_support(density.log_cumulatives, 2, tail_bits=20)
    # A logistic's tail holds 2⁻²¹ at 21 ln 2 = 14.6 scales.
    np.testing.assert_array_equal(lowest, [5_000_000 - 15, -300_000 - 15])
    np.testing.assert_array_equal(highest, [5_000_000 + 15, -300_000 + 15])
    np.testing.assert_allclose(medians(density.log_cumulatives, 2), [5e6, -3e5], rtol=0, atol=1e-9)


def test_a_tail_without_end_is_refused():
    with pytest.raises(ModelError, match=r"channel 1 has no end within 2\^40 of 0 at a tail of 21 bits"):
        integer_support(lambda values: (np.where([True, False], values, -1.0), -values), 2, tail_bits=20)


def test_probabilities_of_a_gaussian_are_right_in_both_tails():
    density = GaussianDensity()
    found = integer_probabilities(partial(density.log_cumulatives, scale=np.array([2.0])), np.array([-60]), 121)[0]
    places = np.arange(-60, 1)
    expected = stats.norm.cdf((places + 0.5) / 2) - stats.norm.cdf((places - 0.5) / 2)
    np.testing.assert_allclose(found[:61], expected, rtol=1e-10)
    np.testing.assert_array_equal(found, found[::-1])
    assert found[0] > 0


@pytest.mark.parametrize("kind", KINDS)
def test_equal_weights_give_equal_tables(kind):
    density, twin = trained(kind), kind(3)
    twin.set_weights(density.get_weights())
    first, second = (integer_probabilities(layer.log_cumulatives, np.full(3, -40), 81) for layer in (density, twin))
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float64


@pytest.mark.parametrize("kind", KINDS)
def test_half_the_mass_lies_below_the_median(kind):
    density = trained(kind, channels=4)
    middles = medians(density.log_cumulatives, 4)
    below, above = density.log_cumulatives(middles)
    np.testing.assert_allclose(below, np.log(0.5), rtol=1e-12)
    np.testing.assert_allclose(above, np.log(0.5), rtol=1e-12)
    np.testing.assert_allclose(medians(FactorizedDensity(2).log_cumulatives, 2), 0, atol=1e-6)
