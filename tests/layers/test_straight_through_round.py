import keras
import numpy as np
from keras import ops

from kerasae.layers import straight_through_round
from tests.gradients import gradients


def test_is_exactly_round_with_halves_to_even():
    random = np.random.default_rng(0)
    x = np.concatenate(
        [np.arange(-6, 6.5, 0.5), random.normal(scale=30, size=5000), [0.49999997, 8388607.5, -3e7, 1e30]]
    ).astype("float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(straight_through_round(x)), np.rint(x))


def test_the_gradient_is_that_of_the_identity():
    x = np.array([-1.5, 0.2, 0.5, 7.7])
    (gradient,) = gradients(lambda x: ops.sum(ops.square(straight_through_round(x))), [x])
    np.testing.assert_array_equal(gradient, 2 * np.rint(x))


def test_saved_as_an_activation(tmp_path):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Activation(straight_through_round)])
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    x = np.array([[0.4, 1.5, -2.6]], "float32")
    np.testing.assert_array_equal(ops.convert_to_numpy(loaded(x)), [[0, 2, -3]])
