import keras
import numpy as np
import pytest

from kerasae.layers import StridedConv2DTranspose
from kerasae.layers import convolution as strided_conv2d_transpose
from kerasae.layers.convolution import is_faster, stride_two_up
from tests.layers.stride_two_pairs import CASES, assert_same, on_jax_cpu, twins


@pytest.mark.parametrize(("kernel_size", "channels", "filters", "sides"), CASES)
def test_equals_its_parent_forward_and_in_gradients(kernel_size, channels, filters, sides):
    assert_same(twins(StridedConv2DTranspose, keras.layers.Conv2DTranspose, channels, filters, kernel_size), sides)


def test_three_taps_by_hand():
    layer = StridedConv2DTranspose(1)
    layer.build((None, 1, 2, 1))
    layer.kernel.assign(np.array([[1, 10, 100], [0, 0, 0], [0, 0, 0]], "float32")[..., None, None])
    code = np.array([[[[2.0], [3.0]]]], "float32")
    # Each number paints three pixels; the third of the first falls on the first of the second.
    expected = [[2, 20, 200 + 3, 30], [0, 0, 0, 0]]
    np.testing.assert_array_equal(keras.ops.convert_to_numpy(layer(code))[0, ..., 0], expected)


def test_fast_form_is_right_on_every_backend():
    random = np.random.default_rng(0)
    for kernel_size in range(1, 7):
        codes = random.normal(size=(2, 3, 4, 4)).astype("float32")
        kernel = random.normal(size=(kernel_size, kernel_size, 3, 4)).astype("float32")
        expected = keras.ops.conv_transpose(codes, kernel, strides=2, padding="same", data_format="channels_last")
        found = stride_two_up(keras.ops.convert_to_tensor(codes), keras.ops.convert_to_tensor(kernel))
        np.testing.assert_allclose(*map(keras.ops.convert_to_numpy, (found, expected)), atol=1e-5)


def test_who_computes(monkeypatch):
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


def test_config_is_the_parents():
    layer = StridedConv2DTranspose(4, 5, activation="relu", use_bias=False, name="up")
    parent = keras.layers.Conv2DTranspose(4, 5, strides=2, padding="same", activation="relu", use_bias=False, name="up")
    assert layer.get_config() == parent.get_config()
    assert StridedConv2DTranspose.from_config(layer.get_config()).get_config() == layer.get_config()


def test_saved_and_loaded(tmp_path):
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
