"""Structural similarity with a uniform window, as scikit-image computes it by default."""

from keras import ops

from kerasae.metrics.box_sum import WINDOW
from kerasae.metrics.images import as_images
from kerasae.metrics.mse import image_mean
from kerasae.metrics.ssim_boxes import ssim_by_boxes
from kerasae.metrics.ssim_gradient import ssim_gradient
from kerasae.metrics.ssim_rows import ssim_by_rows
from kerasae.runtime import xla_on_cpu
from kerasae.with_gradient import with_gradient


def ssim(x, y, *, by_rows: bool | None = None):
    """Return the structural similarity of each image: 7×7 uniform window, sample covariance, K = (0.01, 0.03).

    Equal to ``skimage.metrics.structural_similarity(x, y, data_range=1, channel_axis=-1)`` within 1e-5: the mean over
    windows that lie wholly inside the image, then over channels. Its gradient is that of the formula, in closed form.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``, at least 7×7 pixels.
        by_rows: walk down the rows, or take box filters; by default what is faster. The walk is for XLA on a CPU, and
            takes images of known shape.

    Returns:
        float32 tensor ``(batch,)`` in [-1, 1]; 1 for equal images.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or a side is below 7.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004, with the uniform window of scikit-image.
    """
    x, y = as_images("ssim", x, y, minimum_side=WINDOW, hint="Use mse or psnr, or larger images.")
    by_rows = xla_on_cpu() if by_rows is None else by_rows

    # Squares of numbers near zero lose least: E[a²] − E[a]² cancels, and variances do not see a shift.
    middle = ops.stop_gradient(ops.reshape(image_mean(0.5 * (x + y)), (-1, 1, 1, 1)))

    def gradient(upstream, x, y, middle):
        upstream = ops.reshape(upstream, (-1, 1, 1, 1))
        by_x, by_y = ssim_gradient(x, y, middle)
        return upstream * by_x, upstream * by_y, ops.zeros_like(middle)

    return with_gradient(ssim_by_rows if by_rows else ssim_by_boxes, gradient)(x, y, middle)
