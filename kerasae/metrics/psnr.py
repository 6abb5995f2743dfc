"""Peak signal-to-noise ratio."""

import math

from keras import ops

from kerasae.metrics.images import as_images
from kerasae.metrics.mse import image_mean

MSE_FLOOR = 1e-10  # 100 dB, far above the 58.9 dB at which 8-bit rounding alone sits


def psnr(x, y):
    """Return the peak signal-to-noise ratio of each image, 10·log10(1 / mse).

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``; the peak is 1, never the image's own range.

    Returns:
        float32 tensor ``(batch,)``, in decibels. Equal images give 100 dB (``mse`` is floored at 1e-10), so that one
        perfect image does not make the mean infinite.

    Raises:
        MetricError: shapes differ, rank is not 4, or values are not floating point.
    """
    x, y = as_images("psnr", x, y)
    return psnr_of_mse(image_mean(ops.square(x - y)))


def psnr_of_mse(mean_squared_error):
    """Return 10·log10(1 / mse) in decibels, element by element; at most 100 dB.

    Args:
        mean_squared_error: float tensor, array or number, of any shape, not negative, in [0, 1] intensity squared.
    """
    floored = ops.maximum(ops.convert_to_tensor(mean_squared_error, dtype="float32"), MSE_FLOOR)
    return ops.log(floored) * (-10.0 / math.log(10.0))
