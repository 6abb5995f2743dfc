"""A density that is fitted to what is known costs what is known: its entropy, and never less."""

import keras
import numpy as np
import pytest
from scipy import stats

from kerasae.entropy import FactorizedDensity, LogisticMixtureDensity, integer_probabilities, integer_support
from tests.gradients import evaluate

# What latents look like: a narrow and a wide Laplace, a Gaussian off centre, and one with two humps.
INTEGERS = np.arange(-400, 401)


def _pmf(cumulative):
    masses = np.diff(cumulative(np.append(INTEGERS - 0.5, 400.5)))
    return masses / masses.sum()


PMFS = np.stack(
    [
        _pmf(stats.laplace(0, 1.2).cdf),
        _pmf(stats.laplace(0.4, 8).cdf),
        _pmf(stats.norm(-2.7, 3).cdf),
        0.6 * _pmf(stats.norm(-4, 1).cdf) + 0.4 * _pmf(stats.norm(3, 2).cdf),
    ]
)
ENTROPY = -(PMFS * np.log2(np.maximum(PMFS, 1e-300))).sum(axis=1)


def drawn(count, seed):
    random = np.random.default_rng(seed)
    return np.stack([random.choice(INTEGERS, count, p=pmf) for pmf in PMFS], axis=1).astype("float32")


@pytest.fixture(scope="module", params=[FactorizedDensity, LogisticMixtureDensity])
def fitted(request):
    """A density after 100 steps of Adam on samples; its bits are the loss."""
    density = request.param(4, initial_scale=5.0)
    model = keras.Sequential([keras.Input((4,)), density])
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    model.compile(keras.optimizers.Adam(schedule), loss=lambda _, bits: bits)
    samples = drawn(50_000, seed=1)
    keras.utils.set_random_seed(0)
    model.fit(samples, np.zeros(len(samples)), batch_size=500, verbose=0)
    return density


def test_its_cost_is_the_entropy_and_never_less(fitted):
    bits = evaluate(fitted.element_bits, np.repeat(INTEGERS[:, None], 4, 1)).T
    cost = (PMFS * bits).sum(axis=1)
    # Gibbs: under the true probabilities, no code costs less than the entropy.
    assert (cost >= ENTROPY - 1e-5).all(), cost / ENTROPY
    assert (cost <= 1.01 * ENTROPY).all(), cost / ENTROPY


def test_samples_cost_the_entropy_but_for_the_sampling_error(fitted):
    bits = evaluate(fitted.element_bits, drawn(20_000, seed=2))
    error = bits.std(axis=0) / np.sqrt(len(bits))
    assert (bits.mean(axis=0) >= ENTROPY - 4 * error).all()
    assert (bits.mean(axis=0) <= 1.01 * ENTROPY + 4 * error).all()


def test_the_tables_that_are_frozen_cost_what_training_said(fitted):
    lowest, highest = integer_support(fitted.log_cumulatives, 4, tail_bits=16)
    count = int((highest - lowest).max()) + 1
    probabilities = integer_probabilities(fitted.log_cumulatives, lowest, count)
    samples = drawn(20_000, seed=3)
    places = samples.astype(np.int64) - lowest
    is_inside = (places >= 0) & (places < count)
    assert is_inside.mean() > 0.999
    trained = evaluate(fitted.element_bits, samples)[is_inside].sum()
    frozen = -np.log2(probabilities[np.arange(4), np.clip(places, 0, count - 1)])[is_inside].sum()
    np.testing.assert_allclose(frozen, trained, rtol=1e-5)
