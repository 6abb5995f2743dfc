"""Multi-scale structural similarity."""

from keras import ops

from kerasae.metrics.images import as_images
from kerasae.metrics.ssim_gaussian import WINDOW, gaussian_moments
from kerasae.metrics.structure import contrast_structure, luminance

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Four halvings, each dropping an odd last row or column, must leave the 11 pixels of one window: 11 · 2⁴.
MINIMUM_SIDE = WINDOW * 2 ** (len(WEIGHTS) - 1)


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
