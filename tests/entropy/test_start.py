"""Densities that begin near the latents they are given."""

import keras
import numpy as np
import pytest
from scipy.stats import logistic

from kerasae.entropy import FactorizedBottleneck, FactorizedDensity, LogisticMixtureDensity, centres_and_scales

CENTRES, SCALES = np.array([0.0, 3.0, -40.0]), np.array([0.3, 2.0, 30.0])


@pytest.mark.parametrize("make", [FactorizedDensity, LogisticMixtureDensity])
def test_a_started_density_is_about_logistic(make):
    density = make(3)
    density.start(CENTRES, SCALES)
    values = CENTRES + SCALES * np.linspace(-2, 2, 9)[:, None]
    below, _ = density.log_cumulatives(values)
    expected = logistic.cdf(values, CENTRES, SCALES * np.sqrt(3) / np.pi)
    # Equal means but three scales, or spread biases, stand for the one logistic.
    np.testing.assert_allclose(np.exp(below), expected, atol=0.08)


@pytest.mark.parametrize("make", [FactorizedDensity, LogisticMixtureDensity])
def test_starting_from_latents_saves_most_of_the_bits(make):
    random = np.random.default_rng(0)
    latents = (CENTRES + SCALES * random.normal(size=(40, 5, 5, 3))).astype("float32")
    bottleneck = FactorizedBottleneck(make(3))

    def bits():
        return float(keras.ops.mean(bottleneck.density.bits(keras.ops.convert_to_tensor(latents)))) / 75

    before = bits()
    bottleneck.initialize_from(latents)
    # Of the entropy of normal distributions of these sizes, cut into integers wide of the first.
    from scipy.stats import norm

    steps = np.arange(-400, 400)
    shares = norm.cdf((steps[:, None] + 0.5) / SCALES) - norm.cdf((steps[:, None] - 0.5) / SCALES)
    entropy = float(-(shares * np.log2(np.maximum(shares, 1e-300))).sum(axis=0).mean())
    assert bits() < min(before, entropy + 0.25)


def test_centres_and_scales_are_median_and_deviation_with_a_floor():
    latents = np.zeros((4, 2, 2, 2))
    latents[..., 1] = np.arange(16).reshape(4, 2, 2)
    centres, scales = centres_and_scales(latents)
    np.testing.assert_allclose(centres, [0, 7.5])
    np.testing.assert_allclose(scales, [0.05, np.arange(16).std()])
