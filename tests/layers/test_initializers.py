import keras
import numpy as np
import pytest
from keras import ops

from kerasae.layers import GlorotUniform


@pytest.mark.parametrize("shape", [(300, 200), (5, 5, 40, 60)])
def test_bounds_and_spread_are_those_of_keras(shape):
    ours, theirs = (
        ops.convert_to_numpy(initialiser(shape))
        for initialiser in (GlorotUniform(1), keras.initializers.GlorotUniform(1))
    )
    limit = np.sqrt(6 / (np.prod(shape[:-2]) * (shape[-2] + shape[-1])))
    for drawn in (ours, theirs):
        assert drawn.shape == shape
        assert drawn.dtype == "float32"
        assert 0.999 * limit < abs(drawn).max() <= limit
        assert abs(drawn.mean()) < 0.01 * limit
        assert abs(drawn.std() - limit / np.sqrt(3)) < 0.01 * limit


def test_a_seed_draws_the_same_again_and_is_kept_with_the_layer():
    layer = keras.layers.Dense(3, kernel_initializer=GlorotUniform(5))
    again = keras.layers.Dense.from_config(layer.get_config())
    for one in (layer, again):
        one.build((None, 4))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.kernel), ops.convert_to_numpy(again.kernel))
    other = ops.convert_to_numpy(GlorotUniform(6)((4, 3)))
    assert not np.array_equal(ops.convert_to_numpy(layer.kernel), other)


def test_without_a_seed_keras_seed_decides():
    drawn = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        drawn.append(ops.convert_to_numpy(GlorotUniform()((4, 3))))
    np.testing.assert_array_equal(drawn[0], drawn[1])
    assert not np.array_equal(drawn[0], drawn[2])


def test_layers_that_are_built_alike_have_equal_configurations():
    first, second = (keras.layers.Dense(3, name="one", kernel_initializer=GlorotUniform()) for _ in range(2))
    assert first.get_config() == second.get_config()


def test_the_type_asked_for_is_given():
    assert keras.backend.standardize_dtype(GlorotUniform(1)((4, 3), "bfloat16").dtype) == "bfloat16"
