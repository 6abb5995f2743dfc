"""Mean squared error and peak signal-to-noise ratio."""

import math

from keras import backend, ops, saving

from kerasae.errors import MetricError
from kerasae.metrics.registry import MSE_FLOOR


def as_images(metric, x, y, *, minimum_side=1, hint=""):
    """Return both batches as float32 tensors, or say why ``metric`` is not defined for them.

    Args:
        metric: name for the error text.
        x, y: float tensors or arrays of one shape, ``(batch, height, width, channels)``, in [0, 1]. The range is not
            checked: that would cost a pass over the pixels and a synchronisation with the device.
        minimum_side: smallest height and width, in pixels. A side unknown while a graph is traced passes.
        hint: what to do instead where an image is too small.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or an image is too small.
    """
    x, y = ops.convert_to_tensor(x), ops.convert_to_tensor(y)
    for images in (x, y):
        shape = tuple(images.shape)
        if len(shape) != 4:
            raise MetricError(
                f"{metric}: images have shape {shape}; it takes 4 axes, (batch, height, width, channels). "
                "Add an axis of length 1 for a batch of one or for gray images."
            )
        dtype = backend.standardize_dtype(images.dtype)
        if "float" not in dtype:
            raise MetricError(
                f"{metric}: images are {dtype}; it takes float in [0, 1]. Divide 8-bit images by 255 first."
            )
    if any(a is not None and b is not None and a != b for a, b in zip(x.shape, y.shape, strict=True)):
        raise MetricError(
            f"{metric}: the two batches have shapes {tuple(x.shape)} and {tuple(y.shape)}; "
            "they must be the same, (batch, height, width, channels)."
        )
    height, width = x.shape[1], x.shape[2]
    if any(side is not None and side < minimum_side for side in (height, width)):
        raise MetricError(
            f"{metric}: images are {height}×{width} pixels; both sides must be at least {minimum_side}. {hint}".strip()
        )
    # Half precision cannot hold the differences of squares that follow.
    return ops.cast(x, "float32"), ops.cast(y, "float32")


@saving.register_keras_serializable(package="kerasae")
def mse(x, y):
    """Return the mean squared error of each image.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``.

    Returns:
        float32 tensor ``(batch,)``, in [0, 1] intensity squared.

    Raises:
        MetricError: shapes differ, rank is not 4, or values are not floating point.
    """
    x, y = as_images("mse", x, y)
    return image_mean(ops.square(x - y))


def image_mean(values):
    """Return the mean of each image, ``(batch, height, width, channels)`` -> ``(batch,)``."""
    width, channels = values.shape[2], values.shape[3]
    if width is None or channels is None:
        return ops.mean(values, axis=(1, 2, 3))
    # Rows first, by a product with a constant vector: XLA on a CPU sums a plain reduction one number after the other,
    # 4 times slower (jax 0.10), and 16,384 such additions in single precision lose five digits.
    row = width * channels
    column = ops.full((row, 1), 1.0 / row, dtype="float32")
    rows = ops.reshape(values, (-1, ops.shape(values)[1], row))
    return ops.mean(ops.matmul(rows, column)[..., 0], axis=1)


@saving.register_keras_serializable(package="kerasae")
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
    floored = ops.maximum(image_mean(ops.square(x - y)), MSE_FLOOR)
    return ops.log(floored) * (-10.0 / math.log(10.0))
