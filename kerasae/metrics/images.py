"""What every metric asks of its two batches of images."""

from keras import backend, ops

from kerasae.errors import MetricError


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
