"""Uniform-window SSIM by box filters over whole images, for a backend that runs operations one by one."""

from keras import backend, ops, tree

from kerasae.metrics.box_sum import WINDOW, box_sum
from kerasae.metrics.mse import image_mean
from kerasae.metrics.structure import moments, uniform_ssim

IMAGES_AT_ONCE = 8  # on PyTorch, at 128×128 what is in use stays in cache: 3 times faster than 128 at once


def ssim_by_boxes(x, y, middle):
    """Return SSIM with a 7×7 window per image, ``(batch,)``.

    Args:
        x, y: images, float32, ``(batch, height, width, channels)``.
        middle: a number near the values of each image, ``(batch, 1, 1, 1)``.
    """
    return a_few_at_once(_ssim, x, y, middle)


def a_few_at_once(function, *arrays):
    """Return ``function(*arrays)``, on PyTorch joined from parts of 8 images; TensorFlow does not gain by it."""
    count = arrays[0].shape[0]
    if backend.backend() != "torch" or count <= IMAGES_AT_ONCE:
        return function(*arrays)
    groups = [slice(start, start + IMAGES_AT_ONCE) for start in range(0, count, IMAGES_AT_ONCE)]
    parts = [function(*(a[group] for a in arrays)) for group in groups]
    return tree.map_structure(lambda *some: ops.concatenate(some), *parts)


def _ssim(x, y, middle):
    means = (box_sum(moment) * (1.0 / WINDOW**2) for moment in moments(x - middle, y - middle))
    return image_mean(uniform_ssim(*means, middle, samples=WINDOW**2))
