"""The gradient of uniform-window SSIM in closed form.

A window's SSIM is a function of four means over its n pixels: a of x, b of y, q of x² + y², p of x·y. A pixel is in up
to n windows, and moves each of them through these means alone, so with ``Σ`` over its windows::

    ∂/∂x = (Σ ∂/∂a + 2x · Σ ∂/∂q + y · Σ ∂/∂p) / n          ∂/∂y = (Σ ∂/∂b + 2y · Σ ∂/∂q + x · Σ ∂/∂p) / n

which are box sums of four pictures of derivatives, with zeros around them: five to seven times faster than automatic
differentiation through the box filters (TensorFlow and JAX on a CPU).
"""

from keras import ops

from kerasae.metrics.box_sum import WINDOW, box_sum
from kerasae.metrics.ssim_boxes import a_few_at_once
from kerasae.metrics.structure import moments, uniform_ssim_derivatives

_AROUND = WINDOW - 1


def ssim_gradient(x, y, middle):
    """Return the derivatives of each image's SSIM by its pixels and by those of the other: two tensors like ``x``.

    Args:
        x, y: images, float32, ``(batch, height, width, channels)``.
        middle: a number near the values of each image, ``(batch, 1, 1, 1)``; SSIM does not depend on it.
    """
    return a_few_at_once(_gradient, x, y, middle)


def _gradient(x, y, middle):
    x, y = x - middle, y - middle
    means = (box_sum(moment) * (1.0 / WINDOW**2) for moment in moments(x, y))
    by_x, by_y, by_squares, by_product = (
        box_sum(ops.pad(derivative, ((0, 0), (_AROUND, _AROUND), (_AROUND, _AROUND), (0, 0))))
        for derivative in uniform_ssim_derivatives(*means, middle, samples=WINDOW**2)
    )
    _, height, width, channels = x.shape
    share = 1.0 / (WINDOW**2 * (height - _AROUND) * (width - _AROUND) * channels)
    return (
        share * (by_x + 2.0 * x * by_squares + y * by_product),
        share * (by_y + 2.0 * y * by_squares + x * by_product),
    )
