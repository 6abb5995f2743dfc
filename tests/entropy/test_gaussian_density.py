import keras
import numpy as np
import pytest
from keras import ops
from scipy import special

from kerasae.entropy import GaussianDensity, integer_probabilities, integer_support
from kerasae.errors import ModelError
from tests.gradients import central_differences, evaluate, gradients

SCALES = [0.05, 0.11, 0.3, 1.0, 3.7, 20.0, 256.0]


def log_probability(latents, scale, mean):
    """ln P in float64: where the interval lies left of the mean, and by symmetry elsewhere."""
    distance = np.abs(latents - mean)
    upper, lower = special.log_ndtr((0.5 - distance) / scale), special.log_ndtr((-0.5 - distance) / scale)
    return upper + np.log1p(-np.exp(lower - upper))


def test_is_scipy_s_to_10_000_deviations():
    deviations = np.concatenate([-np.geomspace(1e4, 1e-2, 150), [0.0], np.geomspace(1e-2, 1e4, 150)])
    mean, scales = np.float32(0.3), np.array(SCALES, "float32")[:, None]
    latents = (mean + scales * deviations).astype("float32")
    expected = log_probability(latents.astype("float64"), scales.astype("float64"), float(mean))
    bits = evaluate(GaussianDensity(lowest_scale=0.01).element_bits, latents, scales, mean)
    np.testing.assert_allclose(-bits * np.log(2), expected, rtol=1e-4, atol=1e-9)


def test_the_conditions_may_be_of_any_shape_that_broadcasts():
    random = np.random.default_rng(0)
    latents = random.normal(scale=3, size=(2, 3, 4, 5)).astype("float32")
    scale = random.uniform(0.2, 3, (2, 3, 4, 5)).astype("float32")
    density = GaussianDensity()
    expected = -log_probability(latents.astype("float64"), scale.astype("float64"), 0.0) / np.log(2)
    np.testing.assert_allclose(evaluate(density.element_bits, latents, scale), expected, rtol=1e-4)
    for whole in (density.bits, density):
        np.testing.assert_allclose(evaluate(whole, latents, scale), expected.sum((1, 2, 3)), rtol=1e-5)
    few = scale[:, :1, :1]
    moved = evaluate(density.element_bits, latents + 2.5, few, np.full(5, 2.5))
    expected = -log_probability(latents.astype("float64"), few.astype("float64"), 0.0) / np.log(2)
    np.testing.assert_allclose(moved, expected, rtol=1e-4)


def test_a_scale_under_the_bound_counts_as_the_bound_and_may_rise():
    density, latents = GaussianDensity(), np.array([[0.0, 2.0]], "float32")
    small, bound = (evaluate(density.element_bits, latents, scale) for scale in (-1.0, 0.11))
    np.testing.assert_array_equal(small, bound)
    (slopes,) = gradients(lambda scale: ops.sum(density.element_bits(latents, scale)), [np.full((1, 2), 0.05)])
    # The 0 is happy with a small scale, which ends at the bound; the 2 asks for a larger one.
    assert slopes[0, 0] == 0
    assert slopes[0, 1] < -100


def test_gradients_are_those_of_finite_differences():
    scales = np.array([0.11, 0.4, 1.0, 6.0, 64.0])[:, None] * np.ones(8)
    latents = np.array([-30.0, -5.0, -1.2, -0.3, 0.1, 0.8, 4.0, 25.0]) * np.maximum(scales, 0.5)
    mean = np.full_like(scales, 0.02)
    density = GaussianDensity(lowest_scale=0.01)
    found = gradients(lambda *parts: ops.sum(density.element_bits(*parts)), [latents, scales, mean])
    inputs = [np.asarray(part, "float32").astype("float64") for part in (latents, scales, mean)]
    expected = central_differences(lambda *parts: -log_probability(*parts).sum() / np.log(2), inputs, step=1e-6)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours * scales, theirs * scales, rtol=1e-3, atol=1e-4)


def test_far_out_it_is_finite_and_pulls_back():
    scales = np.array([0.11, 1.0, 256.0])[:, None] * np.ones(4)
    latents = np.array([-1e6, -1e4, 1e4, 1e6]) * np.ones((3, 1))
    density = GaussianDensity()
    slopes = gradients(lambda *parts: ops.sum(density.element_bits(*parts)), [latents, scales])
    assert all(np.isfinite(slope).all() for slope in slopes)
    # −log₂ of a Gaussian rises by y/σ²/ln 2.
    np.testing.assert_allclose(slopes[0], latents / scales**2 / np.log(2), rtol=1e-2)
    assert (slopes[1] < 0).all()
    assert np.isfinite(evaluate(density.element_bits, latents, scales)).all()


def test_at_the_mean_itself_the_gradient_is_0_and_finite():
    density = GaussianDensity()
    slopes = gradients(lambda *parts: ops.sum(density.bits(*parts)), [np.zeros((1, 2)), np.array([[0.11, 3.0]])])
    np.testing.assert_allclose(slopes[0], np.zeros((1, 2)), atol=1e-9)
    assert (slopes[1] > 0).all()


def test_probabilities_sum_to_1():
    density, scales = GaussianDensity(lowest_scale=0.05), np.array(SCALES)

    def log_cumulatives(values):
        return density.log_cumulatives(values, scales)

    lowest, highest = integer_support(log_cumulatives, len(scales), tail_bits=40)
    count = int((highest - lowest).max()) + 1
    probabilities = integer_probabilities(log_cumulatives, lowest, count)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-11)
    latents = lowest + np.arange(count)[:, None]
    masses = 2.0 ** -evaluate(density.element_bits, latents, scales).astype("float64")
    # What float32 leaves: the widest is a sum of 3,800 probabilities, each right to some 1e-5 of itself.
    np.testing.assert_allclose(masses.sum(axis=0), 1, rtol=0, atol=1e-5)


def test_a_bound_of_0_is_refused():
    with pytest.raises(ModelError, match=r"lowest_scale = 0 is out of range"):
        GaussianDensity(lowest_scale=0)


def test_saved_and_loaded(tmp_path):
    latents, scale = keras.Input((None, 2)), keras.Input((None, 2))
    model = keras.Model([latents, scale], GaussianDensity(lowest_scale=0.2, name="density")(latents, scale))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("density").get_config() == model.get_layer("density").get_config()
    parts = [np.full((2, 3, 2), 1.0, "float32"), np.full((2, 3, 2), 0.1, "float32")]
    np.testing.assert_array_equal(loaded.predict_on_batch(parts), model.predict_on_batch(parts))
