"""Mean squared error and peak signal-to-noise ratio."""

import numpy as np
import pytest
from keras import ops

from kerasae.errors import MetricError
from kerasae.metrics import ms_ssim, mse, psnr, ssim, ssim_gaussian

ALL = [mse, psnr, ssim, ssim_gaussian, ms_ssim]


def images(*shape):
    return np.random.default_rng(0).random(shape).astype("float32")


def test_mse_is_one_number_per_image():
    x, y = images(3, 9, 8, 3), images(4, 9, 8, 3)[1:]
    got = ops.convert_to_numpy(mse(x, y))
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, ((x - y) ** 2).mean(axis=(1, 2, 3)), rtol=1e-5)


@pytest.mark.parametrize("offset", [0.5, 0.1, 0.01])
def test_psnr_of_a_constant_offset(offset):
    x = images(2, 8, 8, 1) * 0.4
    np.testing.assert_allclose(ops.convert_to_numpy(psnr(x, x + offset)), -20 * np.log10(offset), atol=1e-3)


def test_psnr_of_equal_images_is_one_hundred():
    x = images(2, 8, 8, 1)
    np.testing.assert_allclose(ops.convert_to_numpy(psnr(x, x)), 100, atol=1e-4)


@pytest.mark.parametrize("metric", ALL)
def test_shapes_that_differ_are_refused(metric):
    with pytest.raises(MetricError, match=r"\(2, 180, 180, 1\) and \(2, 180, 180, 3\)"):
        metric(images(2, 180, 180, 1), images(2, 180, 180, 3))


@pytest.mark.parametrize("metric", ALL)
def test_rank_three_is_refused(metric):
    with pytest.raises(MetricError, match=rf"{metric.__name__}: images have shape \(180, 180, 1\).*\(batch, height"):
        metric(images(180, 180, 1), images(180, 180, 1))


def test_bytes_are_refused():
    x = np.zeros((1, 8, 8, 1), "uint8")
    with pytest.raises(MetricError, match=r"uint8.*Divide 8-bit images by 255"):
        mse(x, x)


def test_half_precision_is_scored_in_single():
    x = images(1, 20, 20, 1).astype("float16")
    y = np.clip(x + np.float16(0.1), 0, 1)
    for metric in (mse, ssim):
        expected = metric(x.astype("float32"), y.astype("float32"))
        np.testing.assert_allclose(ops.convert_to_numpy(metric(x, y)), ops.convert_to_numpy(expected), rtol=1e-6)
