import keras
import numpy as np
import pytest
from keras import ops

from kerasae.runtime import with_gradient
from tests.gradients import evaluate, gradients

X = np.array([[1.0, -2.0, 3.0]])
Y = np.array([2.0])


def test_one_argument_has_the_gradient_it_is_given():
    # No derivative of the square, so that nothing else can give it.
    square = with_gradient(ops.square, lambda upstream, x: 10.0 * upstream + x)
    np.testing.assert_array_equal(evaluate(square, X), X**2)
    (by_x,) = gradients(lambda x: ops.sum(3.0 * square(x)), [X])
    np.testing.assert_array_equal(by_x, 30.0 + X)


def test_each_of_several_arguments_has_its_own():
    product = with_gradient(ops.multiply, lambda upstream, x, y: (upstream * x, ops.sum(upstream * x * y, axis=(1,))))
    np.testing.assert_array_equal(evaluate(product, X, Y), X * Y)
    by_x, by_y = gradients(lambda x, y: ops.sum(product(x, y)), [X, Y])
    np.testing.assert_array_equal(by_x, X)
    np.testing.assert_array_equal(by_y, [np.sum(X * Y)])


def test_the_chain_goes_through_it():
    double = with_gradient(lambda x: 2.0 * x, lambda upstream, x: 5.0 * upstream)
    (by_x,) = gradients(lambda x: ops.sum(ops.square(double(double(3.0 * x)))), [X])
    # d(12x)² with 5 instead of each 2: 2 · 12x · 5 · 5 · 3.
    np.testing.assert_allclose(by_x, 1800.0 * X, rtol=1e-6)


@pytest.mark.parametrize("compiled", [False, True])
def test_fit_descends_by_it(compiled):
    class Bent(keras.layers.Layer):
        def build(self, shape):
            self.scale = self.add_weight(shape=(), initializer="ones")

        def call(self, x):
            return with_gradient(lambda s: s + 0.0, lambda upstream, s: -upstream)(ops.copy(self.scale)) * x

    model = keras.Sequential([keras.Input((1,)), Bent()])
    model.compile(keras.optimizers.SGD(0.5), lambda y, z: ops.mean(z - y), run_eagerly=not compiled)
    model.fit(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
    # The loss falls with a smaller scale; the gradient says the opposite.
    assert float(ops.convert_to_numpy(model.layers[-1].scale)) == 1.5
