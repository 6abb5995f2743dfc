"""The wall between layers: it changes nothing, and XLA does not see through it."""

import keras
import numpy as np
import pytest

from kerasae.layers.convolution import fusion_barrier, stride_two_down
from tests.layers.stride_two_pairs import on_jax_cpu


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
