"""Original and decoded 8-bit image → MSE, SSIM, MS-SSIM.

Computed on the integers in float64 by NumPy and scikit-image, not by ``kerasae.metrics``: the comparison with other
codecs needs no accelerator and no Keras, and agrees with what anybody can compute to the last digit.
"""

import numpy as np

from kerasae.errors import CodecError

# scikit-image's default window.
_SSIM_SIDE = 7
_MS_SSIM_SIDE = 176


def squared_error(original: np.ndarray, decoded: np.ndarray) -> float:
    """Return the mean squared error of two uint8 images ``(height, width, channels)``, in [0, 1] intensity."""
    if original.shape != decoded.shape:
        raise CodecError(f"a codec gave back {decoded.shape} for an image of {original.shape}")
    difference = original.astype(np.int64) - decoded
    return float((difference * difference).mean()) / 255**2


def psnr_of(squared_errors: np.ndarray | float) -> np.ndarray:
    """Return 10·log10(1 / mse) in dB; at most 100, which stands for equal images."""
    return -10 * np.log10(np.maximum(squared_errors, 1e-10))


def structural(original: np.ndarray, decoded: np.ndarray) -> float | None:
    """Return scikit-image's default SSIM, over colours the mean; None where a side is below its window of 7 pixels."""
    if min(original.shape[:2]) < _SSIM_SIDE:
        return None
    from skimage.metrics import structural_similarity

    if original.shape[-1] == 1:
        return float(structural_similarity(original[..., 0], decoded[..., 0], data_range=255))
    return float(structural_similarity(original, decoded, data_range=255, channel_axis=-1))


def multi_scale(original: np.ndarray, decoded: np.ndarray) -> float | None:
    """Return MS-SSIM (``kerasae.metrics.ms_ssim``); None where a side is below 176 pixels."""
    if min(original.shape[:2]) < _MS_SSIM_SIDE:
        return None
    import keras

    from kerasae.metrics import ms_ssim

    pair = (image[np.newaxis].astype(np.float32) / 255 for image in (original, decoded))
    return float(keras.ops.convert_to_numpy(ms_ssim(*pair))[0])
