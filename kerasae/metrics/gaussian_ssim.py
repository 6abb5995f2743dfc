"""Structural similarity with a Gaussian window, at one scale and at five."""

import numpy as np
from keras import ops, saving

from kerasae.metrics.pixel import as_images, image_mean
from kerasae.metrics.uniform_ssim import contrast_structure, luminance

SIGMA, RADIUS = 1.5, 5
WINDOW = 2 * RADIUS + 1


@saving.register_keras_serializable(package="kerasae")
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


WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Four halvings, each dropping an odd last row or column, must leave the 11 pixels of one window: 11 · 2⁴.
MINIMUM_SIDE = WINDOW * 2 ** (len(WEIGHTS) - 1)


@saving.register_keras_serializable(package="kerasae")
def ms_ssim(x, y):
    """Return the multi-scale structural similarity of each image over five scales.

    Between scales images are averaged over 2×2 pixels, an odd last row or column being dropped. Contrast and structure
    count at every scale, luminance at the coarsest only; the product with the published weights as exponents is taken
    per channel, then averaged over channels. A factor below zero counts as zero, where the paper leaves its power
    undefined.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``, at least 176×176 pixels.

    Returns:
        float32 tensor ``(batch,)`` in [0, 1]; 1 for equal images.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or a side is below 176, where the
            fifth scale is smaller than its 11×11 window.

    Source: Wang, Simoncelli, Bovik 2003.
    """
    hint = (
        f"Its fifth scale is 16 times smaller and must still hold a window of {WINDOW}×{WINDOW}. "
        "Use ssim_gaussian, the same at one scale, or larger images."
    )
    x, y = as_images("ms_ssim", x, y, minimum_side=MINIMUM_SIDE, hint=hint)
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        mean_x, mean_y, variances, covariance = gaussian_moments(x, y)
        factor = contrast_structure(variances, covariance)
        if scale == len(WEIGHTS) - 1:
            factor = factor * luminance(mean_x, mean_y)
        else:
            x, y = _halve(x), _halve(y)
        # A floor rather than zero itself: the gradient of 0 to a power below 1 is infinite.
        product = product * ops.power(ops.maximum(ops.mean(factor, axis=(1, 2)), 1e-12), weight)
    return ops.mean(product, axis=-1)


def _halve(images):
    return ops.average_pool(images, 2, 2, "valid", data_format="channels_last")
