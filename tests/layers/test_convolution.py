"""A fast layer beside its Keras parent, with the same weights."""

import keras
import numpy as np
import pytest

from kerasae.layers import StridedConv2D, StridedConv2DTranspose
from kerasae.layers import convolution as strided_conv2d
from kerasae.layers import convolution as strided_conv2d_transpose
from kerasae.layers.convolution import fusion_barrier, is_faster, stride_two_down, stride_two_up

# Kernel size, channels, filters, sides. Between them they reach every form: sums, products first, convolutions; every
# tap and every block gathered; one and two blocks before; and the parent for odd sides.
CASES = [
    pytest.param(
        *(1, 8, 4, (8, 6)),
        marks=pytest.mark.skipif(
            keras.backend.backend() == "tensorflow",
            reason="TensorFlow 2.21 writes past its memory in a transposed 1×1 convolution of stride 2 on a CPU",
        ),
    ),
    (2, 1, 8, (8, 6)),
    (3, 1, 8, (8, 6)),
    (3, 8, 4, (6, 8)),
    (3, 20, 3, (4, 6)),
    (4, 8, 4, (8, 6)),
    (4, 20, 1, (6, 8)),
    (5, 1, 8, (6, 8)),
    (3, 1, 8, (7, 5)),
]


def twins(make, parent, channels, filters, kernel_size):
    """Return two models, a 1×1 convolution before each: its gradient is made of the gradient for the layer's input."""
    models = []
    for kind, further in ((make, {}), (parent, {"strides": 2, "padding": "same"})):
        layers = [keras.layers.Conv2D(channels, 1), kind(filters, kernel_size, activation="tanh", **further)]
        models.append(keras.Sequential([keras.Input((None, None, 2)), *layers]))
        models[-1].compile(keras.optimizers.SGD(1.0), "mse")
    random = np.random.default_rng(kernel_size)
    models[0].set_weights([random.normal(scale=0.5, size=weight.shape) for weight in models[0].get_weights()])
    models[1].set_weights(models[0].get_weights())
    return models


def assert_same(models, sides):
    """Assert equal outputs, and equal weights after one step of gradient descent."""
    random = np.random.default_rng(0)
    images = random.normal(size=(3, *sides, 2)).astype("float32")
    outputs = [keras.ops.convert_to_numpy(model(images)) for model in models]
    np.testing.assert_allclose(outputs[0], outputs[1], atol=1e-5)
    assert outputs[0].shape == tuple(models[0].layers[-1].compute_output_shape(models[0].layers[0](images).shape))
    before = models[0].get_weights()
    target = random.normal(size=outputs[0].shape).astype("float32")
    for model in models:
        model.train_on_batch(images, target)
    for old, fast, slow in zip(before, *(model.get_weights() for model in models), strict=True):
        assert np.abs(slow - old).max() > 1e-4
        np.testing.assert_allclose(fast, slow, atol=1e-6)


def on_jax_cpu():
    """Return whether the fast form is the one that runs."""
    if keras.backend.backend() != "jax":
        return False
    import jax

    return jax.default_backend() == "cpu"


@pytest.mark.parametrize(("kernel_size", "channels", "filters", "sides"), CASES)
def test_equals_its_parent_forward_and_in_gradients(kernel_size, channels, filters, sides):
    assert_same(twins(StridedConv2D, keras.layers.Conv2D, channels, filters, kernel_size), sides)


def test_three_taps_by_hand():
    layer = StridedConv2D(1)
    layer.build((None, 2, 4, 1))
    layer.kernel.assign(np.array([[1, 10, 100], [0, 0, 0], [0, 0, 0]], "float32")[..., None, None])
    image = np.array([[1, 2, 3, 4], [9, 9, 9, 9]], "float32")[None, ..., None]
    # TensorFlow's padding: nothing before the first pixel, one zero behind the last.
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(image)).ravel(), [321, 43])


def test_fast_form_is_right_on_every_backend():
    random = np.random.default_rng(0)
    for kernel_size in range(1, 7):
        image = random.normal(size=(2, 6, 8, 3)).astype("float32")
        kernel = random.normal(size=(kernel_size, kernel_size, 3, 4)).astype("float32")
        expected = keras.ops.conv(image, kernel, strides=2, padding="same", data_format="channels_last")
        found = stride_two_down(keras.ops.convert_to_tensor(image), keras.ops.convert_to_tensor(kernel))
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found, expected)), atol=1e-5)


def test_who_computes(monkeypatch):
    called = []
    monkeypatch.setattr(strided_conv2d, "stride_two_down", lambda *pair: called.append(1) or stride_two_down(*pair))
    layer = StridedConv2D(4)
    layer(np.zeros((1, 8, 8, 1), "float32"))
    assert bool(called) == on_jax_cpu() == is_faster(layer, layer.kernel.shape)
    called.clear()
    layer(np.zeros((1, 7, 8, 1), "float32"))
    StridedConv2D(4, strides=1)(np.zeros((1, 8, 8, 1), "float32"))
    StridedConv2D(4, groups=2)(np.zeros((1, 8, 8, 2), "float32"))
    StridedConv2D(32)(np.zeros((1, 8, 8, 32), "float32"))
    StridedConv2D(4, (3, 1))(np.zeros((1, 8, 8, 1), "float32"))
    StridedConv2D(4, dtype="bfloat16")(np.zeros((1, 8, 8, 1), "float32"))
    assert not called


def test_config_is_the_parents():
    layer = StridedConv2D(4, 5, activation="relu", kernel_regularizer=keras.regularizers.L2(1e-5), name="down")
    parent = keras.layers.Conv2D(
        4, 5, strides=2, padding="same", activation="relu", kernel_regularizer=keras.regularizers.L2(1e-5), name="down"
    )
    assert layer.get_config() == parent.get_config()
    assert StridedConv2D.from_config(layer.get_config()).get_config() == layer.get_config()


def test_saved_and_loaded(tmp_path):
    fast, slow = twins(StridedConv2D, keras.layers.Conv2D, 1, 4, 3)
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 2)).astype("float32")
    fast.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is StridedConv2D
    np.testing.assert_allclose(loaded.predict_on_batch(images), fast.predict_on_batch(images), atol=1e-6)
    slow.set_weights([0 * weight for weight in slow.get_weights()])
    slow.layers[-1].set_weights(fast.layers[-1].get_weights())
    slow.layers[0].set_weights(fast.layers[0].get_weights())
    np.testing.assert_allclose(slow.predict_on_batch(images), fast.predict_on_batch(images), atol=1e-5)


@pytest.mark.parametrize(("kernel_size", "channels", "filters", "sides"), CASES)
def test_equals_its_parent_forward_and_in_gradients_when_transposed(kernel_size, channels, filters, sides):
    assert_same(twins(StridedConv2DTranspose, keras.layers.Conv2DTranspose, channels, filters, kernel_size), sides)


def test_three_taps_by_hand_when_transposed():
    layer = StridedConv2DTranspose(1)
    layer.build((None, 1, 2, 1))
    layer.kernel.assign(np.array([[1, 10, 100], [0, 0, 0], [0, 0, 0]], "float32")[..., None, None])
    code = np.array([[[[2.0], [3.0]]]], "float32")
    # Each number paints three pixels; the third of the first falls on the first of the second.
    expected = [[2, 20, 200 + 3, 30], [0, 0, 0, 0]]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(code))[0, ..., 0], expected)


def test_fast_form_is_right_on_every_backend_when_transposed():
    random = np.random.default_rng(0)
    for kernel_size in range(1, 7):
        codes = random.normal(size=(2, 3, 4, 4)).astype("float32")
        kernel = random.normal(size=(kernel_size, kernel_size, 3, 4)).astype("float32")
        expected = keras.ops.conv_transpose(codes, kernel, strides=2, padding="same", data_format="channels_last")
        found = stride_two_up(keras.ops.convert_to_tensor(codes), keras.ops.convert_to_tensor(kernel))
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found, expected)), atol=1e-5)


def test_who_computes_when_transposed(monkeypatch):
    called = []
    fast = strided_conv2d_transpose.stride_two_up
    monkeypatch.setattr(strided_conv2d_transpose, "stride_two_up", lambda *pair: called.append(1) or fast(*pair))
    layer = StridedConv2DTranspose(4)
    layer(np.zeros((1, 7, 8, 1), "float32"))
    assert bool(called) == on_jax_cpu() == is_faster(layer, layer.kernel.shape)
    called.clear()
    StridedConv2DTranspose(4, strides=1)(np.zeros((1, 8, 8, 1), "float32"))
    StridedConv2DTranspose(4, output_padding=0)(np.zeros((1, 8, 8, 1), "float32"))
    StridedConv2DTranspose(32)(np.zeros((1, 8, 8, 32), "float32"))
    StridedConv2DTranspose(4, dtype="bfloat16")(np.zeros((1, 8, 8, 1), "float32"))
    assert not called


def test_config_is_the_parents_when_transposed():
    layer = StridedConv2DTranspose(4, 5, activation="relu", use_bias=False, name="up")
    parent = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", activation="relu", use_bias=False, name="up")
    assert layer.get_config() == parent.get_config()
    assert StridedConv2DTranspose.from_config(layer.get_config()).get_config() == layer.get_config()


def test_saved_and_loaded_when_transposed(tmp_path):
    fast, slow = twins(StridedConv2DTranspose, keras.layers.Conv2DTranspose, 1, 4, 3)
    images = np.random.default_rng(1).normal(size=(2, 8, 8, 2)).astype("float32")
    fast.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[-1]) is StridedConv2DTranspose
    np.testing.assert_allclose(loaded.predict_on_batch(images), fast.predict_on_batch(images), atol=1e-6)
    slow.set_weights([0 * weight for weight in slow.get_weights()])
    for mine, theirs in zip(slow.layers, fast.layers, strict=True):
        mine.set_weights(theirs.get_weights())
    np.testing.assert_allclose(slow.predict_on_batch(images), fast.predict_on_batch(images), atol=1e-5)


@pytest.mark.parametrize("first", [0.0, -2.5, np.inf])
def test_changes_nothing(first):
    images = np.arange(12.0, dtype="float32").reshape(1, 3, 4, 1)
    kernel = keras.ops.convert_to_tensor(np.full((1, 1, 1, 1), first, "float32"))
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(fusion_barrier(images, kernel)), images)


def test_a_kernel_that_is_not_a_number_stays_one():
    kernel = keras.ops.convert_to_tensor(np.full((1, 1, 1, 1), np.nan, "float32"))
    found = keras.ops.convert_to_numpy(fusion_barrier(keras.ops.ones((1, 2, 2, 1)), kernel))
    assert np.isnan(found).all()


@pytest.mark.skipif(not on_jax_cpu(), reason="the fast forms are those of JAX on a CPU")
def test_the_first_layer_is_computed_apart():
    import jax

    images, kernel = np.zeros((2, 16, 16, 1), "float32"), np.zeros((3, 3, 1, 8), "float32")
    compiled = jax.jit(lambda *pair: jax.nn.relu(stride_two_down(*pair))).lower(images, kernel).compile().as_text()
    assert " conditional(" in compiled
