"""Contender + images → one point of its curve."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from kerasae.rate_distortion.contender import Contender
from kerasae.rate_distortion.picture_quality import multi_scale, psnr_of, squared_error, structural
from kerasae.records import RatePoint


def measure(
    contender: Contender,
    originals: Sequence[np.ndarray],
    quality: float,
    *,
    inputs: Sequence[np.ndarray] | None = None,
    with_ms_ssim: bool = False,
    sigma: float = 0.0,
) -> RatePoint:
    """Return what ``originals``, uint8 ``(height, width, channels)`` each, cost and look like at ``quality``.

    ``inputs`` are compressed in their place, where the originals are to be seen through noise of ``sigma``; the decoded
    images are compared with the originals. Bits per pixel are those of all files together over all pixels together; the
    qualities are means over images.
    """
    given = originals if inputs is None else inputs
    began = time.perf_counter()
    files = contender.encode(given, quality)
    encoded = time.perf_counter()
    decoded = contender.decode(files, originals[0].shape[-1])
    ended = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        errors = np.array(list(pool.map(squared_error, originals, decoded)))
        ssim = [value for value in pool.map(structural, originals, decoded) if value is not None]
    ms_ssim = [multi_scale(*pair) for pair in zip(originals, decoded, strict=True)] if with_ms_ssim else []
    ms_ssim = [value for value in ms_ssim if value is not None]
    pixels = sum(image.shape[0] * image.shape[1] for image in originals)
    count, size = len(files), sum(map(len, files))
    payload, estimated = contender.payload_bytes(files), contender.estimated_bits(given, quality)
    return RatePoint(
        codec=contender.name,
        quality=quality,
        sigma=sigma,
        images=count,
        bytes_per_image=size / count,
        bits_per_pixel=8 * size / pixels,
        payload_bits_per_pixel=None if payload is None else float(8 * payload.sum() / pixels),
        estimated_bits_per_pixel=None if estimated is None else float(estimated.sum() / pixels),
        psnr=float(psnr_of(errors).mean()),
        psnr_of_mean_mse=float(psnr_of(errors.mean())),
        ssim=float(np.mean(ssim)) if ssim else None,
        ms_ssim=float(np.mean(ms_ssim)) if ms_ssim else None,
        encode_images_per_second=count / (encoded - began),
        decode_images_per_second=count / (ended - encoded),
        settings=contender.settings(quality, originals[0].shape[-1]),
    )
