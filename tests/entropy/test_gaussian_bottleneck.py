import math

import numpy as np
from keras import ops

from kerasae.entropy.bottlenecks import GaussianBottleneck, kl_divergence


def test_kl_of_the_prior_itself_is_zero():
    zeros = np.zeros((3, 5), "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(kl_divergence(zeros, zeros)), np.zeros(3))


def test_kl_equals_an_integral():
    mean, log_variance = 0.7, -1.2
    z = np.linspace(-12, 12, 200_001)
    std = math.exp(0.5 * log_variance)
    log_q = -0.5 * ((z - mean) / std) ** 2 - math.log(std)
    integral = np.trapezoid(np.exp(log_q) / math.sqrt(2 * math.pi) * (log_q + 0.5 * z**2), z)
    kl = kl_divergence(np.array([[mean]], "float32"), np.array([[log_variance]], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(kl), [integral], rtol=1e-6)


def test_kl_adds_up_over_latents():
    random = np.random.default_rng(0)
    mean, log_variance = random.normal(size=(2, 4, 6)).astype("float32")
    whole = ops.convert_to_numpy(kl_divergence(mean, log_variance))
    parts = sum(ops.convert_to_numpy(kl_divergence(mean[:, [i]], log_variance[:, [i]])) for i in range(6))
    np.testing.assert_allclose(whole, parts, rtol=1e-5)


def test_the_mean_passes_and_a_sample_has_the_posterior_moments():
    mean = np.full((20_000, 2), (0.5, -1.0), "float32")
    log_variance = np.full((20_000, 2), (math.log(0.25), math.log(4.0)), "float32")
    bottleneck = GaussianBottleneck(seed=1)
    np.testing.assert_array_equal(ops.convert_to_numpy(bottleneck([mean, log_variance])[0]), mean)
    sample = ops.convert_to_numpy(bottleneck([mean, log_variance], training=True)[0])
    np.testing.assert_allclose(sample.mean(axis=0), (0.5, -1.0), atol=5 * 2 / math.sqrt(20_000))
    np.testing.assert_allclose(sample.std(axis=0), (0.5, 2.0), rtol=0.03)


def test_an_extreme_log_variance_stays_finite():
    log_variance = np.array([[-1e6, 1e6]], "float32")
    latents, rate = GaussianBottleneck()([np.zeros((1, 2), "float32"), log_variance], training=True)
    assert np.isfinite(ops.convert_to_numpy(latents)).all()
    assert np.isfinite(ops.convert_to_numpy(rate)).all()


def test_draw_is_the_reparameterisation():
    encoded = [np.array([[1.0]], "float32"), np.array([[math.log(9.0)]], "float32")]
    drawn = GaussianBottleneck().draw(encoded, np.array([[2.0]], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(drawn), [[7.0]], rtol=1e-6)


def test_the_rate_is_the_sum_of_the_latents_own():
    random = np.random.default_rng(0)
    encoded = [*random.normal(0, 3, size=(2, 4, 6)).astype("float32")]
    encoded[1][0, 0] = 1e6
    bottleneck = GaussianBottleneck()
    own = ops.convert_to_numpy(bottleneck.rate_per_latent(encoded))
    mean, log_variance = encoded[0], np.clip(encoded[1], -30, 20)
    np.testing.assert_allclose(own, 0.5 * (mean**2 + np.exp(log_variance) - 1 - log_variance), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(bottleneck(encoded)[1]), own.sum(axis=1), rtol=1e-5)
