"""What every density with weights of its own must be."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.entropy import FactorizedBottleneck, integer_probabilities, integer_support, medians
from kerasae.errors import ModelError
from tests.entropy.densities import KINDS, mass, trained, weights_of
from tests.gradients import central_differences, evaluate, gradients

PER_KIND = pytest.mark.parametrize("kind", KINDS)


def bits_of(density, latents):
    return evaluate(density.element_bits, latents)


@PER_KIND
def test_bits_are_those_of_the_paper_s_formula(kind):
    density = trained(kind)
    latents = np.random.default_rng(1).normal(scale=3, size=(2, 3, 2, 3)).astype("float32")
    weights = weights_of(density)
    masses = [mass(kind, weights, place[-1], float(latents[place])) for place in np.ndindex(latents.shape)]
    expected = -np.log2(masses).reshape(latents.shape)
    np.testing.assert_allclose(bits_of(density, latents), expected, rtol=2e-5, atol=2e-6)
    for whole in (density.bits, density):
        np.testing.assert_allclose(evaluate(whole, latents), expected.sum(axis=(1, 2, 3)), rtol=1e-5)


@PER_KIND
def test_float64_and_the_backend_s_float32_agree(kind):
    density = trained(kind)
    lowest, count = np.array([-30, -31, -32]), 64
    probabilities = integer_probabilities(density.log_cumulatives, lowest, count)
    latents = lowest + np.arange(count)[:, None]
    np.testing.assert_allclose(bits_of(density, latents), -np.log2(probabilities).T, rtol=2e-5, atol=2e-6)


@PER_KIND
def test_probabilities_sum_to_1(kind):
    density = trained(kind)
    lowest, highest = integer_support(density.log_cumulatives, 3, tail_bits=40)
    count = int((highest - lowest).max()) + 1
    probabilities = integer_probabilities(density.log_cumulatives, lowest, count)
    assert (probabilities > 0).all()
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=0, atol=1e-11)
    # float32, each probability right to about 1e-6 of itself; summed in float64.
    masses = 2.0 ** -bits_of(density, lowest + np.arange(count)[:, None]).astype("float64")
    np.testing.assert_allclose(masses.sum(axis=0), 1, rtol=0, atol=1e-6)


@PER_KIND
def test_far_out_bits_are_right_and_pull_back(kind):
    density = trained(kind)
    latents = np.array([[-1e6], [-1e4], [-300], [300], [1e4], [1e6]]) * np.ones(3)
    bits = bits_of(density, latents)
    below, above = density.log_cumulatives(latents[:3] + 0.5)[0], density.log_cumulatives(latents[3:] - 0.5)[1]
    inner, outer = (
        np.concatenate([below, above]),
        np.concatenate([density.log_cumulatives(latents[:3] - 0.5)[0], density.log_cumulatives(latents[3:] + 0.5)[1]]),
    )
    np.testing.assert_allclose(bits, -(inner + np.log1p(-np.exp(outer - inner))) / np.log(2), rtol=1e-5)
    slopes, *rest = gradients(lambda latents: ops.sum(density.bits(latents)), [latents], density.trainable_variables)
    assert all(np.isfinite(gradient).all() for gradient in (slopes, *rest))
    # Bits rise outwards, by the slope of the tail that is theirs: 1/scale/ln 2, of scales near 2.
    assert (np.sign(slopes) == np.sign(latents)).all()
    assert ((abs(slopes) > 0.05) & (abs(slopes) < 20)).all()


@PER_KIND
def test_gradients_are_those_of_finite_differences(kind):
    density = trained(kind)
    random = np.random.default_rng(2)
    latents, shares = random.normal(scale=4, size=(6, 3)).astype("float32"), random.normal(size=(6, 3))
    start = weights_of(density)

    def total(latents, *weights):
        named = dict(zip(start, weights, strict=True))
        masses = [mass(kind, named, place[1], latents[place]) for place in np.ndindex(latents.shape)]
        return -(shares.ravel() * np.log2(masses)).sum()

    expected = central_differences(total, [latents, *start.values()])
    weights = ops.convert_to_tensor(shares.astype("float32"))
    found = gradients(
        lambda latents: ops.sum(ops.multiply(weights, density.element_bits(latents))), [latents], density.weights
    )
    assert len(found) == len(expected) == 1 + len(density.weights)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=2e-5 * max(1, abs(theirs).max()))


@PER_KIND
def test_the_start_is_broad_centred_and_the_same_for_all_channels(kind):
    density = kind(4, initial_scale=10.0)
    bits = bits_of(density, [[-20] * 4, [0] * 4, [20] * 4])
    np.testing.assert_allclose(bits, bits[:, :1] * np.ones(4), rtol=1e-6)
    # A logistic of scale 10 costs log₂ 40 = 5.3 bits at its middle; a sum of several around it, something near that.
    assert ((bits[1] > 4.5) & (bits[1] < 5.5)).all()
    assert ((bits[[0, 2]] > 5.5) & (bits[[0, 2]] < 7.5)).all()
    np.testing.assert_allclose(medians(density.log_cumulatives, 4), 0, atol=10 / 4)


@PER_KIND
def test_latents_of_other_channels_are_refused(kind):
    with pytest.raises(ModelError, match=r"made for latents of 4 channels .* got shape \(2, 3\)"):
        kind(4).bits(np.zeros((2, 3), "float32"))
    with pytest.raises(ModelError, match="channels=3"):
        kind(4).log_cumulatives(np.zeros((2, 3)))


@pytest.fixture
def mixed_precision():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@PER_KIND
@pytest.mark.usefixtures("mixed_precision")
def test_float32_inside_a_model_of_mixed_precision(kind):
    bottleneck = FactorizedBottleneck(kind(2))
    # A bfloat16 would take them for 1000 and 1000.
    model = keras.Sequential([keras.Input((1, 2)), bottleneck.density])
    bits = ops.convert_to_numpy(model(np.array([[[1000.0, 0.0]], [[1001.0, 0.0]]], "float32")))
    assert bits.dtype == np.float32
    assert bits[1] > bits[0]
    latents, rate = bottleneck(np.array([[[1001.0, 0.0]]], "float32"))
    np.testing.assert_allclose(ops.convert_to_numpy(rate), bits[1:] * np.log(2), rtol=1e-6)
    assert ops.convert_to_numpy(latents)[0, 0, 0] == 1001
    assert {weight.dtype for weight in bottleneck.weights} == {"float32"}


@PER_KIND
def test_saved_and_loaded(kind, tmp_path):
    inputs = keras.Input((None, None, 3))
    model = keras.Model(inputs, trained(kind)(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == model.layers[-1].get_config()
    latents = np.random.default_rng(3).normal(scale=3, size=(2, 3, 4, 3)).astype("float32")
    bits = model.predict_on_batch(latents)
    assert bits.shape == (2,)
    np.testing.assert_array_equal(loaded.predict_on_batch(latents), bits)
