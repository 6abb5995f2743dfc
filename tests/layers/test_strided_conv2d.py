import keras
import numpy as np
import pytest

from kerasae.layers import StridedConv2D
from kerasae.layers import convolution as strided_conv2d
from kerasae.layers.convolution import is_faster, stride_two_down
from tests.layers.stride_two_pairs import CASES, assert_same, on_jax_cpu, twins


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
