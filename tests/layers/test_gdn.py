"""A branch that comes in as it learns to help."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.layers import GDN, ChannelScale, lower_bound
from tests.gradients import central_differences, gradients


def closed_form(x, beta, gamma, inverse):
    """The formula of the paper, one output channel at a time; ``gamma[j, i]`` is what ``j`` adds to ``i``."""
    y = np.empty(np.broadcast_shapes(x.shape), np.float64)
    for i in range(x.shape[-1]):
        energy = beta[i] + sum(gamma[j, i] * x[..., j] ** 2 for j in range(x.shape[-1]))
        y[..., i] = x[..., i] * energy ** (0.5 if inverse else -0.5)
    return y


def made(inverse, channels=3, seed=0):
    """A layer with weights of its own, and these as the paper's β and γ."""
    random = np.random.default_rng(seed)
    layer = GDN(inverse=inverse)
    layer.build((None, None, None, channels))
    layer.beta_root.assign(random.uniform(0.3, 1.5, channels))
    layer.gamma_root.assign(random.uniform(0.1, 1.0, (channels, channels)))
    return layer, ops.convert_to_numpy(layer.beta_root), ops.convert_to_numpy(layer.gamma_root)


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("shape", [(2, 3, 4, 3), (5, 3)])
def test_is_the_closed_form(inverse, shape):
    layer, beta, gamma = made(inverse)
    x = np.random.default_rng(1).normal(scale=3, size=shape).astype("float32")
    expected = closed_form(x.astype("float64"), beta.astype("float64") ** 2, gamma.astype("float64") ** 2, inverse)
    np.testing.assert_allclose(ops.convert_to_numpy(layer(x)), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("inverse", [False, True])
def test_gradients_are_those_of_the_closed_form(inverse):
    layer, beta, gamma = made(inverse)
    random = np.random.default_rng(2)
    x, weights = random.normal(scale=2, size=(2, 2, 2, 3)), random.normal(size=(2, 2, 2, 3)).astype("float32")
    found = gradients(lambda x: ops.sum(ops.multiply(weights, layer(x))), [x], [layer.beta_root, layer.gamma_root])

    def total(x, beta, gamma):
        return (weights * closed_form(x, beta**2, gamma**2, inverse)).sum()

    for ours, expected in zip(found, central_differences(total, [x.astype("f4"), beta, gamma]), strict=True):
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-4 * abs(expected).max())


def test_it_starts_as_a_slight_bend_of_each_channel_alone():
    x = np.random.default_rng(3).uniform(-0.5, 0.5, (4, 2, 2, 5)).astype("float32")
    for inverse, power in ((False, -0.5), (True, 0.5)):
        y = ops.convert_to_numpy(GDN(inverse=inverse)(x))
        np.testing.assert_allclose(y, x * (1 + 0.1 * x**2) ** power, rtol=1e-6, atol=1e-7)
        # √(1 + t) − 1 < t/2: within 0.05 |x|³ of the identity.
        assert (abs(y - x) <= 0.0501 * abs(x) ** 3 + 1e-6).all()


def test_the_inverse_undoes_it_to_second_order():
    # The inverse is one step of the fixed point iteration: v √(1 + 0.1 v²) of v = x/√(1 + 0.1 x²) is
    # x √(1 + 0.2 x²)/(1 + 0.1 x²), which lacks about (0.1 x²)²/2 of x.
    x = np.linspace(-2, 2, 41, dtype="float32")[:, None]
    back = ops.convert_to_numpy(GDN(inverse=True)(GDN()(x)))
    np.testing.assert_allclose(back, x * np.sqrt(1 + 0.2 * x**2) / (1 + 0.1 * x**2), rtol=1e-5, atol=1e-6)
    assert (abs(back - x) <= 0.5 * (0.1 * x**2) ** 2 * abs(x) + 1e-5).all()
    assert abs(back - x).max() > 0.02


def test_beta_and_gamma_cannot_fall_below_0_and_can_come_back():
    layer, *_ = made(inverse=False)
    layer.beta_root.assign(-np.ones(3))
    layer.gamma_root.assign(-np.ones((3, 3)))
    np.testing.assert_allclose(ops.convert_to_numpy(layer.beta), np.full(3, 1e-6), rtol=1e-3)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.gamma), np.zeros((3, 3)))
    assert np.isfinite(ops.convert_to_numpy(layer(np.zeros((1, 3), "float32")))).all()
    x, roots = np.ones((1, 3)), [layer.beta_root, layer.gamma_root]
    _, *lower = gradients(lambda x: ops.sum(ops.square(layer(x))), [x], roots)
    _, *raise_ = gradients(lambda x: -ops.sum(ops.square(layer(x))), [x], roots)
    # A smaller sum of squares needs larger weights: that gradient comes through, the other does not.
    assert all((gradient < 0).all() for gradient in lower)
    assert all((gradient == 0).all() for gradient in raise_)


def test_half_precision_goes_in_and_out_but_not_through():
    layer = GDN(dtype="mixed_float16")
    x = np.full((1, 2, 2, 3), 300.0, "float16")
    y = layer(x)
    assert ops.convert_to_numpy(y).dtype == np.float16
    # 300² is beyond a float16.
    np.testing.assert_allclose(ops.convert_to_numpy(y), 300 / np.sqrt(1 + 0.1 * 300**2), rtol=1e-3)
    assert {weight.dtype for weight in layer.weights} == {"float32"}


@pytest.mark.parametrize("inverse", [False, True])
def test_saved_and_loaded(inverse, tmp_path):
    model = keras.Sequential([keras.Input((None, None, 3)), GDN(inverse=inverse, initial_gamma=0.2, name="gdn")])
    model.layers[0].beta_root.assign([0.5, 1.0, 2.0])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    images = np.random.default_rng(4).normal(size=(2, 3, 5, 3)).astype("float32")
    np.testing.assert_array_equal(loaded.predict_on_batch(images), model.predict_on_batch(images))


X = np.array([-2.0, 0.25, 0.5, 3.0])


def test_is_the_maximum():
    np.testing.assert_array_equal(ops.convert_to_numpy(lower_bound(X.astype("float32"), 0.5)), [0.5, 0.5, 0.5, 3.0])


def test_descent_that_would_raise_it_gets_through():
    (gradient,) = gradients(lambda x: ops.sum(-3.0 * lower_bound(x, 0.5)), [X])
    np.testing.assert_array_equal(gradient, [-3, -3, -3, -3])


def test_descent_that_would_lower_it_ends_at_the_bound():
    (gradient,) = gradients(lambda x: ops.sum(3.0 * lower_bound(x, 0.5)), [X])
    np.testing.assert_array_equal(gradient, [0, 0, 3, 3])


def test_the_chain_goes_on_on_both_sides():
    weights = ops.convert_to_tensor(np.array([1.0, -1.0, 1.0, -1.0], "float32"))
    (gradient,) = gradients(lambda x: ops.sum(ops.square(lower_bound(2.0 * x, 0.5)) * weights), [X])
    # d/dx Σ w · max(2x, ½)² is w · 4 · max(2x, ½), where it passes: 2x is −4, ½, 1 and 6, and only −4 is below.
    np.testing.assert_allclose(gradient, [0, -2, 4, -24], rtol=1e-6)


def test_it_starts_at_nothing_and_multiplies_each_channel():
    layer = ChannelScale()
    images = np.random.default_rng(0).normal(size=(2, 3, 3, 4)).astype("float32")
    assert not np.asarray(keras.ops.convert_to_numpy(layer(images))).any()
    layer.scale.assign(np.arange(4, dtype="float32"))
    found = np.asarray(keras.ops.convert_to_numpy(layer(images)))
    np.testing.assert_allclose(found, images * np.arange(4), rtol=1e-6)
