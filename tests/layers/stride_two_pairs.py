"""A fast layer beside its Keras parent, with the same weights."""

import keras
import numpy as np
import pytest

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
