"""Image quality: every metric takes two batches of images and returns one number per image.

Images are float in [0, 1], shape ``(batch, height, width, channels)``; results are float32, shape ``(batch,)``. All run
eagerly and inside compiled steps on TensorFlow, JAX and PyTorch; the averaging is left to the caller.
"""

from kerasae.metrics.gaussian_ssim import ms_ssim, ssim_gaussian
from kerasae.metrics.pixel import mse, psnr, psnr_of_mse
from kerasae.metrics.ssim import ssim

__all__ = ["ms_ssim", "mse", "psnr", "psnr_of_mse", "ssim", "ssim_gaussian"]
