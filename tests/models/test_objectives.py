import math

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.models import Autoencoder
from kerasae.models.base import batch_mean, distortion_of


def pair(seed=0, shape=(4, 8, 8, 1)):
    return np.random.default_rng(seed).uniform(size=(2, *shape)).astype("float32")


def test_mean_and_sum_differ_by_the_number_of_pixels():
    x, y = pair()
    mean = ops.convert_to_numpy(distortion_of(x, y, "mean_squared_error"))
    np.testing.assert_allclose(mean, ((x - y) ** 2).mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(distortion_of(x, y, "unit")), 64 * mean, rtol=1e-5)


def test_calibrated_is_the_gaussian_likelihood_at_its_best_variance():
    x, y = pair()
    found = ops.convert_to_numpy(distortion_of(x, y, "calibrated")).mean()

    def negative_log_likelihood(variance):
        squared = ((x - y).astype("float64") ** 2).sum(axis=(1, 2, 3))
        return (0.5 * (64 * math.log(2 * math.pi * variance) + squared / variance)).mean()

    best = ((x - y).astype("float64") ** 2).mean()
    np.testing.assert_allclose(found, negative_log_likelihood(best), rtol=1e-5)
    assert found < negative_log_likelihood(best * 1.1)
    assert found < negative_log_likelihood(best / 1.1)


def test_calibrated_is_up_to_a_constant_half_the_numbers_times_the_log_of_the_error():
    x, y = pair()
    first = ops.convert_to_numpy(distortion_of(x, y, "calibrated")).mean()
    # Half the error in every pixel is a quarter of the squared error.
    second = ops.convert_to_numpy(distortion_of(x, (x + y) / 2, "calibrated")).mean()
    np.testing.assert_allclose(first - second, 0.5 * 64 * math.log(4), rtol=1e-4)


@pytest.mark.parametrize("distortion", ["mean_squared_error", "unit", "calibrated"])
def test_what_fills_a_batch_up_with_weight_0_changes_nothing(distortion):
    x, y = pair()
    filled_x, filled_y = np.concatenate([x, x[:1]]), np.concatenate([y, 1 - y[:1]])
    weights = ops.convert_to_tensor(np.array([1, 1, 1, 1, 0], "float32"))
    alone = distortion_of(x, y, distortion)
    filled = distortion_of(filled_x, filled_y, distortion, weights)
    np.testing.assert_allclose(ops.convert_to_numpy(filled)[:4], ops.convert_to_numpy(alone), rtol=1e-5)
    means = (batch_mean(filled, weights), batch_mean(alone))
    np.testing.assert_allclose(*(ops.convert_to_numpy(mean) for mean in means), rtol=1e-5)


def test_calibrated_stays_finite_for_a_perfect_reconstruction():
    x, _ = pair()
    assert np.isfinite(ops.convert_to_numpy(distortion_of(x, x, "calibrated"))).all()


@pytest.mark.parametrize(
    ("regularizer", "closed_form"),
    [
        (keras.regularizers.L1(0.5), lambda w: 0.5 * abs(w).sum()),
        (keras.regularizers.L2(0.5), lambda w: 0.5 * (w**2).sum()),
        (keras.regularizers.L1L2(0.5, 2.0), lambda w: 0.5 * abs(w).sum() + 2.0 * (w**2).sum()),
    ],
)
def test_penalty_is_the_closed_form_over_kernels(regularizer, closed_form):
    model = of_one_kernel(kernel_regularizer=regularizer)
    found = float(ops.convert_to_numpy(model.penalty()))
    np.testing.assert_allclose(found, closed_form(model.get_weights()[0]), rtol=1e-5)


def test_without_regularisers_the_penalty_is_zero():
    assert float(ops.convert_to_numpy(of_one_kernel().penalty())) == 0


def of_one_kernel(**settings):
    conv = keras.layers.Conv2D(3, 2, padding="same", bias_initializer="ones", **settings)
    encoder = keras.Sequential([keras.Input((4, 4, 1)), conv])
    decoder = keras.Sequential([keras.Input((4, 4, 3)), keras.layers.Lambda(lambda x: x[..., :1])])
    return Autoencoder(encoder, decoder)
