"""What holds of every metric: compiled or not, saved with a model or not, and what the registry says of it."""

import keras
import numpy as np
import pytest
from keras import ops

from kerasae.errors import MetricError
from kerasae.metrics import METRICS, ms_ssim, mse, psnr, psnr_of_mse, ssim, ssim_gaussian


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


def test_a_model_compiled_with_metrics_is_saved_and_loaded(tmp_path):
    x = np.random.default_rng(0).random((4, 16, 16, 1)).astype("float32")
    images = keras.Input((16, 16, 1))
    model = keras.Model(images, keras.layers.Conv2D(1, 3, padding="same")(images))
    model.compile("adam", "mse", metrics=[psnr, ssim, ssim_gaussian])
    model.fit(x, x, verbose=0)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    expected = model.evaluate(x, x, verbose=0, return_dict=True)
    assert {"psnr", "ssim", "ssim_gaussian"} < expected.keys()
    assert loaded.evaluate(x, x, verbose=0, return_dict=True) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
def test_the_registry_says_what_is_so(metric):
    function, side = metric.load(), max(metric.minimum_side, 8)
    x = np.random.default_rng(0).random((1, side, side, 1)).astype("float32")
    near, far = (float(ops.convert_to_numpy(function(x, np.clip(x + offset, 0, 1)))[0]) for offset in (0.05, 0.3))
    assert (near > far) == metric.higher_is_better
    assert all(metric.low <= value <= metric.high for value in (near, far))
    if metric.minimum_side > 1:
        small = x[:, : metric.minimum_side - 1]
        with pytest.raises(MetricError, match=f"at least {metric.minimum_side}"):
            function(small, small)


def test_psnr_in_numpy_is_that_of_the_tensors():
    x, y = np.random.default_rng(0).random((2, 5, 9, 8, 3)).astype("float32")
    expected = ops.convert_to_numpy(psnr(x, y))
    np.testing.assert_allclose(psnr_of_mse(ops.convert_to_numpy(mse(x, y))), expected, rtol=1e-6)
    np.testing.assert_allclose(psnr_of_mse(0.0), 100)
    np.testing.assert_allclose(psnr_of_mse([0.0322, 0.00426]), [14.921, 23.706], atol=1e-3)  # the published row
