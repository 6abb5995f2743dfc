"""Multi-scale structural similarity against NumPy and SciPy."""

import numpy as np
import pytest
from keras import ops
from scipy.ndimage import correlate1d
from skimage import data

from kerasae.errors import MetricError
from kerasae.metrics import ms_ssim

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def blur(a):
    kernel = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    kernel /= kernel.sum()
    return correlate1d(correlate1d(a, kernel, axis=0), kernel, axis=1)[5:-5, 5:-5]


def reference(x, y):
    """One gray image, written from the paper in double precision."""
    x, y, product = x.astype("float64"), y.astype("float64"), 1.0
    for scale, weight in enumerate(WEIGHTS):
        ux, uy = blur(x), blur(y)
        cs = (2 * (blur(x * y) - ux * uy) + 9e-4) / (blur(x * x) - ux**2 + blur(y * y) - uy**2 + 9e-4)
        light = (2 * ux * uy + 1e-4) / (ux**2 + uy**2 + 1e-4) if scale == 4 else 1.0
        product *= max((cs * light).mean(), 0) ** weight
        h, w = x.shape[0] // 2 * 2, x.shape[1] // 2 * 2
        x, y = (a[:h, :w].reshape(h // 2, 2, w // 2, 2).mean(axis=(1, 3)) for a in (x, y))
    return product


def real(height, width):
    x = (data.astronaut()[:height, 100 : 100 + width] / 255).astype("float32")[None]
    return x, np.clip(x + np.random.default_rng(0).normal(0, 0.1, x.shape), 0, 1).astype("float32")


@pytest.mark.parametrize("size", [(176, 176), (191, 203)])
def test_equals_the_paper(size):
    x, y = real(*size)
    expected = np.mean([reference(x[0, :, :, c], y[0, :, :, c]) for c in range(3)])
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim(x, y)), [expected], atol=1e-5)


def test_laws():
    x, y = real(180, 180)
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim(x, x)), 1, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim(x, y)), ops.convert_to_numpy(ms_ssim(y, x)), atol=1e-6)


def test_a_negative_image_scores_zero_and_not_nan():
    x, _ = real(180, 180)
    assert 0 <= ops.convert_to_numpy(ms_ssim(x, 1 - x))[0] < 0.05


@pytest.mark.parametrize("shape", [(1, 175, 200, 1), (1, 128, 128, 1)])
def test_small_images_are_refused_with_a_reason(shape):
    x = np.zeros(shape, "float32")
    with pytest.raises(MetricError, match=r"at least 176.*fifth scale is 16 times smaller.*ssim_gaussian"):
        ms_ssim(x, x)
