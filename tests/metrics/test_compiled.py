"""Every metric gives the same inside a compiled step as outside one."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.metrics import ms_ssim, mse, psnr, ssim, ssim_gaussian


class Pair(keras.layers.Layer):
    """A metric as a layer, so that ``predict`` compiles it as each backend does."""

    def __init__(self, metric):
        super().__init__()
        self.metric = metric

    def call(self, images):
        return self.metric(images[..., :1], images[..., 1:])

    def compute_output_shape(self, input_shape):
        return input_shape[:1]


@pytest.mark.parametrize("metric", [mse, psnr, ssim, ssim_gaussian, pytest.param(ms_ssim, marks=pytest.mark.slow)])
def test_predict_equals_eager(metric):
    # ms_ssim takes seconds to compile for each batch size, so it sees one; the others see a last batch of 1.
    shape = (2, 176, 176, 2) if metric is ms_ssim else (5, 20, 20, 2)
    images = np.random.default_rng(0).random(shape).astype("float32")
    model = keras.Sequential([Pair(metric)])
    model.compile()
    got = model.predict(images, batch_size=2, verbose=0)
    expected = ops.convert_to_numpy(metric(images[..., :1], images[..., 1:]))
    np.testing.assert_allclose(got, expected, atol=2e-5)
