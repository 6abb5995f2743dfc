"""Image quality: every metric takes two batches of images and returns one number per image.

Images are float in [0, 1], shape ``(batch, height, width, channels)``; results are float32, shape ``(batch,)``. All run
eagerly and inside compiled steps on TensorFlow, JAX and PyTorch; the averaging is left to the caller.
"""

from kerasae.metrics.ms_ssim import ms_ssim
from kerasae.metrics.mse import mse
from kerasae.metrics.psnr import psnr, psnr_of_mse
from kerasae.metrics.ssim import ssim
from kerasae.metrics.ssim_gaussian import ssim_gaussian

__all__ = ["ms_ssim", "mse", "psnr", "psnr_of_mse", "ssim", "ssim_gaussian"]
