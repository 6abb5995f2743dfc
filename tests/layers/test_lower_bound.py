import numpy as np
from keras import ops

from kerasae.layers import lower_bound
from tests.gradients import gradients

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
