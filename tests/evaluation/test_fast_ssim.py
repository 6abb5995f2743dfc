import keras
import numpy as np
import pytest

from kerasae.evaluation.scorer import fast_ssim
from kerasae.metrics import ssim
from tests.conftest import smooth_images


def pair():
    clean = smooth_images(6).astype("float32") / 255
    return clean, np.clip(clean + np.random.default_rng(0).normal(0, 0.1, clean.shape), 0, 1).astype("float32")


def test_it_is_ssim():
    np.testing.assert_allclose(np.asarray(fast_ssim(*pair())), np.asarray(ssim(*pair())), rtol=1e-5)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="graphs of unknown batch are TensorFlow's")
def test_a_batch_of_unknown_size_is_left_to_the_graph():
    import tensorflow as tf

    shape = tf.TensorSpec((None, 32, 32, 1), "float32")
    np.testing.assert_allclose(
        tf.function(fast_ssim, input_signature=[shape, shape])(*pair()), np.asarray(ssim(*pair())), rtol=1e-5
    )
