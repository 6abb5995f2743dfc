"""Mean squared error."""

from keras import ops

from kerasae.metrics.images import as_images


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
