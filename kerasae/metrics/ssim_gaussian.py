"""Structural similarity with a Gaussian window, as its authors define it."""

import numpy as np
from keras import ops

from kerasae.metrics.images import as_images
from kerasae.metrics.mse import image_mean
from kerasae.metrics.structure import contrast_structure, luminance

SIGMA, RADIUS = 1.5, 5
WINDOW = 2 * RADIUS + 1


def ssim_gaussian(x, y):
    """Return the structural similarity of each image: 11×11 Gaussian window, sigma 1.5, population covariance.

    Equal within 1e-5 to ``skimage.metrics.structural_similarity(x, y, data_range=1, channel_axis=-1,
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False)``: the mean over windows that lie wholly inside the
    image, then over channels.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``, at least 11×11 pixels.

    Returns:
        float32 tensor ``(batch,)`` in [-1, 1]; 1 for equal images.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or a side is below 11.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004.
    """
    x, y = as_images("ssim_gaussian", x, y, minimum_side=WINDOW, hint="Use ssim, whose window is 7×7, or psnr.")
    mean_x, mean_y, variances, covariance = gaussian_moments(x, y)
    return image_mean(luminance(mean_x, mean_y) * contrast_structure(variances, covariance))


def gaussian_moments(x, y):
    """Return Gaussian means of x and y, the sum of their variances, and their covariance.

    Squares are taken of differences from the window's own mean, first along columns, then along rows (variance within
    plus variance between), so that nothing cancels: E[x²] − E[x]² in float32 is off by 1e-5 on high contrast.

    Args:
        x, y: images, float32, ``(batch, height, width, channels)``.

    Returns:
        four tensors ``(batch, height − 10, width − 10, channels)``.
    """
    nothing = ops.zeros_like(x)
    return _along_width(*_along_height(x, y, nothing, nothing))


def _along_height(*moments):
    last = WINDOW - 1
    return _merge([tuple(a[:, i : i - last or None] for a in moments) for i in range(WINDOW)])


def _along_width(*moments):
    last = WINDOW - 1
    return _merge([tuple(a[:, :, i : i - last or None] for a in moments) for i in range(WINDOW)])


def _merge(neighbours):
    """Return the moments of a weighted union: mean of x, of y, sum of variances, covariance, of each neighbour."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weighted = list(zip((weights / weights.sum()).tolist(), neighbours, strict=True))
    mean_x = sum(w * x for w, (x, _, _, _) in weighted)
    mean_y = sum(w * y for w, (_, y, _, _) in weighted)
    variances = sum(w * (v + ops.square(x - mean_x) + ops.square(y - mean_y)) for w, (x, y, v, _) in weighted)
    covariance = sum(w * (c + (x - mean_x) * (y - mean_y)) for w, (x, y, _, c) in weighted)
    return mean_x, mean_y, variances, covariance
