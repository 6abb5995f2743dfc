"""Structural similarity, at one scale and five, against scikit-image, SciPy and its own laws."""

import keras
import numpy as np
import pytest
from keras import ops
from scipy.ndimage import correlate1d
from skimage import data
from skimage.metrics import structural_similarity

from kerasae.errors import MetricError
from kerasae.metrics import ms_ssim, ssim, ssim_gaussian
from kerasae.metrics.structural_similarity import ssim_by_boxes, ssim_by_rows
from tests.gradients import gradients

GAUSSIAN = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}


def reference(x, y, **options):
    pairs = zip(x.astype("float64"), y.astype("float64"), strict=True)
    return np.array([structural_similarity(a, b, data_range=1, channel_axis=-1, **options) for a, b in pairs])


def noisy(images, sigma, seed=0):
    return np.clip(images + np.random.default_rng(seed).normal(0, sigma, images.shape), 0, 1).astype("float32")


def crops(image, side=64, count=3):
    image = (image / 255).astype("float32").reshape(*image.shape[:2], -1)
    return np.stack([image[i : i + side, 2 * i : 2 * i + side] for i in range(40, 40 + 50 * count, 50)])


def half_dark(sigma):
    """Two flat halves, as far apart as they go, each with a little noise: the worst case for E[x²] − E[x]²."""
    steps = np.where(np.arange(96)[None, None, :, None] < 48, 0.04, 0.96) * np.ones((2, 96, 96, 1))
    return noisy(steps, sigma, seed=3)


PAIRS = {
    "noise": lambda: (noisy(np.full((2, 33, 47, 1), 0.5), 0.3, 1), noisy(np.full((2, 33, 47, 1), 0.5), 0.3, 2)),
    "gray": lambda: (crops(data.camera()), noisy(crops(data.camera()), 0.1)),
    "rgb": lambda: (crops(data.astronaut()), noisy(crops(data.astronaut()), 0.05)),
    "flat": lambda: (np.full((2, 30, 30, 1), 0.9, "float32"), np.full((2, 30, 30, 1), 0.8, "float32")),
    "flat and noise": lambda: (np.full((2, 30, 30, 3), 1.0, "float32"), noisy(np.full((2, 30, 30, 3), 0.9), 0.1)),
    "nearly flat": lambda: (
        noisy(np.full((2, 99, 30, 1), 0.97), 1e-3, 4),
        noisy(np.full((2, 99, 30, 1), 0.97), 1e-3, 5),
    ),
    "half dark": lambda: (half_dark(1e-3), noisy(half_dark(1e-3), 1e-3)),
    "smallest": lambda: (noisy(np.full((2, 11, 11, 1), 0.5), 0.2, 6), noisy(np.full((2, 11, 11, 1), 0.5), 0.2, 7)),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_ssim_equals_scikit_image(pair):
    x, y = PAIRS[pair]()
    np.testing.assert_allclose(ops.convert_to_numpy(ssim(x, y)), reference(x, y), atol=1e-5, rtol=0)


@pytest.mark.parametrize("pair", PAIRS)
def test_ssim_gaussian_equals_scikit_image(pair):
    x, y = PAIRS[pair]()
    got = ops.convert_to_numpy(ssim_gaussian(x, y))
    np.testing.assert_allclose(got, reference(x, y, **GAUSSIAN), atol=1e-5, rtol=0)


@pytest.mark.parametrize("by", [ssim_by_rows, ssim_by_boxes])
def test_both_ways_agree_on_every_backend(by):
    x, y = PAIRS["rgb"]()
    x, y = np.tile(x, (4, 1, 1, 1)), np.tile(y, (4, 1, 1, 1))  # more than one group of 8
    middle = np.full((len(x), 1, 1, 1), 0.4, "float32")
    tensors = [ops.convert_to_tensor(a) for a in (x, y, middle)]
    np.testing.assert_allclose(ops.convert_to_numpy(by(*tensors)), reference(x, y), atol=1e-5, rtol=0)


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="JAX compiles outside functions too")
def test_outside_a_compiled_step_the_walk_is_compiled_once(caplog):
    import jax

    x, y = PAIRS["gray"]()
    said = []
    for _ in range(2):
        caplog.clear()
        with jax.log_compiles():
            ssim(x[:, :33], y[:, :33])  # a shape of this test's own
        said.append([line for line in caplog.messages if "Compiling" in line])
    assert said[0]
    assert not said[1]


@pytest.mark.parametrize("pair", ["rgb", "half dark", "noise", "smallest"])
def test_the_gradient_is_that_of_scikit_image(pair):
    """Against differences in double precision: in all pixels, and in corners, where a pixel is in few windows."""
    x, y = PAIRS[pair]()
    x, y = np.tile(x, (5, 1, 1, 1))[:9], np.tile(y, (5, 1, 1, 1))[:9]  # more than one group of 8
    generator = np.random.default_rng(0)
    weights = generator.uniform(0.5, 2, len(x)).astype("float32")
    by_x, by_y = gradients(lambda x, y: ops.sum(ops.convert_to_tensor(weights) * ssim(x, y)), (x, y))
    for corner in (slice(None), slice(0, 3), slice(-3, None)):
        mask = np.zeros(x.shape)
        mask[:, corner, corner] = 1.0
        toward_x, toward_y = (mask * generator.standard_normal(x.shape) for _ in range(2))
        there, back = (weights @ reference(x + step * toward_x, y + step * toward_y) for step in (1e-6, -1e-6))
        expected = (there - back) / 2e-6
        got = np.sum(by_x * toward_x) + np.sum(by_y * toward_y)
        scale = np.sqrt(np.sum((by_x * mask) ** 2) + np.sum((by_y * mask) ** 2))
        np.testing.assert_allclose(got, expected, atol=1e-3 * scale)


def test_one_window_is_the_formula():
    x, y = np.random.default_rng(0).random((2, 1, 7, 7, 1)).astype("float32")
    cov = np.cov(x.ravel().astype("float64"), y.ravel().astype("float64"))
    light = (2 * x.mean() * y.mean() + 1e-4) / (x.mean() ** 2 + y.mean() ** 2 + 1e-4)
    expected = light * (2 * cov[0, 1] + 9e-4) / (cov[0, 0] + cov[1, 1] + 9e-4)
    np.testing.assert_allclose(ops.convert_to_numpy(ssim(x, y)), [expected], atol=1e-6)


@pytest.mark.parametrize("metric", [ssim, ssim_gaussian])
def test_laws(metric):
    x, y = PAIRS["rgb"]()
    there, back = ops.convert_to_numpy(metric(x, y)), ops.convert_to_numpy(metric(y, x))
    assert there.shape == (3,)
    assert there.dtype == np.float32
    np.testing.assert_allclose(there, back, atol=1e-6)
    np.testing.assert_allclose(ops.convert_to_numpy(metric(x, x)), 1, atol=1e-6)
    assert (there < 0.99).all()
    alone = [ops.convert_to_numpy(metric(x[i : i + 1], y[i : i + 1]))[0] for i in range(3)]
    np.testing.assert_allclose(there, alone, atol=1e-6)
    turned = ops.convert_to_numpy(metric(x.transpose(0, 2, 1, 3), y.transpose(0, 2, 1, 3)))
    np.testing.assert_allclose(there, turned, atol=3e-6)


@pytest.mark.parametrize("sigma", [0, 1e-4, 1e-3])
def test_equal_images_score_one_where_nothing_but_rounding_is_left(sigma):
    np.testing.assert_allclose(ops.convert_to_numpy(ssim(half_dark(sigma), half_dark(sigma))), 1, atol=1e-5)


@pytest.mark.parametrize(("metric", "side"), [(ssim, 7), (ssim_gaussian, 11)])
def test_images_smaller_than_the_window_are_refused(metric, side):
    small = np.zeros((1, side - 1, 40, 1), "float32")
    with pytest.raises(MetricError, match=rf"{metric.__name__}: images are {side - 1}×40 pixels.*at least {side}"):
        metric(small, small)


# === Five scales ===

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)


def blur(a):
    kernel = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    kernel /= kernel.sum()
    return correlate1d(correlate1d(a, kernel, axis=0), kernel, axis=1)[5:-5, 5:-5]


def ms_ssim_reference(x, y):
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
def test_ms_ssim_equals_the_paper(size):
    x, y = real(*size)
    expected = np.mean([ms_ssim_reference(x[0, :, :, c], y[0, :, :, c]) for c in range(3)])
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim(x, y)), [expected], atol=1e-5)


def test_laws_of_ms_ssim():
    x, y = real(180, 180)
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim(x, x)), 1, atol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(ms_ssim(x, y)), ops.convert_to_numpy(ms_ssim(y, x)), atol=1e-6)


def test_ms_ssim_of_a_negative_image_is_zero_and_not_nan():
    x, _ = real(180, 180)
    assert 0 <= ops.convert_to_numpy(ms_ssim(x, 1 - x))[0] < 0.05


@pytest.mark.parametrize("shape", [(1, 175, 200, 1), (1, 128, 128, 1)])
def test_ms_ssim_refuses_small_images_with_a_reason(shape):
    x = np.zeros(shape, "float32")
    with pytest.raises(MetricError, match=r"at least 176.*fifth scale is 16 times smaller.*ssim_gaussian"):
        ms_ssim(x, x)
