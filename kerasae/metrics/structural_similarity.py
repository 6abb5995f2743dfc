"""Structural similarity, at one scale and at five, and SSIMULACRA 2."""

import functools
from io import BytesIO

import numpy as np
from keras import backend, ops, saving, tree

from kerasae.metrics.pixel import as_images, image_mean
from kerasae.runtime import with_gradient, xla_on_cpu

SIGMA, RADIUS = 1.5, 5
GAUSSIAN_WINDOW = 2 * RADIUS + 1


@saving.register_keras_serializable(package="kerasae")
def ssim_gaussian(x, y):
    """Return the structural similarity of each image: 11×11 Gaussian window, sigma 1.5, population covariance.

    Equal within 1e-5 to ``skimage.metrics.structural_similarity(x, y, data_range=1, channel_axis=-1,
    gaussian_weights=True, sigma=1.5, use_sample_covariance=False)``: the mean over windows that lie wholly inside the
    image, then over channels.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``, at least 11×11 pixels.

    Returns:
        float32 tensor ``(batch,)`` in [-1, 1]; 1 for equal images.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or a side is below 11.

    Source: Wang, Bovik, Sheikh, Simoncelli 2004.
    """
    x, y = as_images(
        "ssim_gaussian", x, y, minimum_side=GAUSSIAN_WINDOW, hint="Use ssim, whose window is 7×7, or psnr."
    )
    mean_x, mean_y, variances, covariance = gaussian_moments(x, y)
    return image_mean(luminance(mean_x, mean_y) * contrast_structure(variances, covariance))


def gaussian_moments(x, y):
    """Return Gaussian means of x and y, the sum of their variances, and their covariance.

    Squares are taken of differences from the window's own mean, first along columns, then along rows (variance within
    plus variance between), so that nothing cancels: E[x²] − E[x]² in float32 is off by 1e-5 on high contrast.

    Args:
        x, y: images, float32, ``(batch, height, width, channels)``.

    Returns:
        four tensors ``(batch, height − 10, width − 10, channels)``.
    """
    nothing = ops.zeros_like(x)
    return _along_width(*_along_height(x, y, nothing, nothing))


def _along_height(*moments):
    last = GAUSSIAN_WINDOW - 1
    return _merge([tuple(a[:, i : i - last or None] for a in moments) for i in range(GAUSSIAN_WINDOW)])


def _along_width(*moments):
    last = GAUSSIAN_WINDOW - 1
    return _merge([tuple(a[:, :, i : i - last or None] for a in moments) for i in range(GAUSSIAN_WINDOW)])


def _merge(neighbours):
    """Return the moments of a weighted union: mean of x, of y, sum of variances, covariance, of each neighbour."""
    weights = np.exp(-0.5 * (np.arange(-RADIUS, RADIUS + 1) / SIGMA) ** 2)
    weighted = list(zip((weights / weights.sum()).tolist(), neighbours, strict=True))
    mean_x = sum(w * x for w, (x, _, _, _) in weighted)
    mean_y = sum(w * y for w, (_, y, _, _) in weighted)
    variances = sum(w * (v + ops.square(x - mean_x) + ops.square(y - mean_y)) for w, (x, y, v, _) in weighted)
    covariance = sum(w * (c + (x - mean_x) * (y - mean_y)) for w, (x, y, _, c) in weighted)
    return mean_x, mean_y, variances, covariance


WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
# Four halvings, each dropping an odd last row or column, must leave the 11 pixels of one window: 11 · 2⁴.
MINIMUM_SIDE = GAUSSIAN_WINDOW * 2 ** (len(WEIGHTS) - 1)


@saving.register_keras_serializable(package="kerasae")
def ms_ssim(x, y):
    """Return the multi-scale structural similarity of each image over five scales.

    Between scales images are averaged over 2×2 pixels, an odd last row or column being dropped. Contrast and structure
    count at every scale, luminance at the coarsest only; the product with the published weights as exponents is taken
    per channel, then averaged over channels. A factor below zero counts as zero, where the paper leaves its power
    undefined.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)``, at least 176×176 pixels.

    Returns:
        float32 tensor ``(batch,)`` in [0, 1]; 1 for equal images.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or a side is below 176, where the
            fifth scale is smaller than its 11×11 window.

    Source: Wang, Simoncelli, Bovik 2003.
    """
    hint = (
        f"Its fifth scale is 16 times smaller and must still hold a window of {GAUSSIAN_WINDOW}×{GAUSSIAN_WINDOW}. "
        "Use ssim_gaussian, the same at one scale, or larger images."
    )
    x, y = as_images("ms_ssim", x, y, minimum_side=MINIMUM_SIDE, hint=hint)
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        mean_x, mean_y, variances, covariance = gaussian_moments(x, y)
        factor = contrast_structure(variances, covariance)
        if scale == len(WEIGHTS) - 1:
            factor = factor * luminance(mean_x, mean_y)
        else:
            x, y = _halve(x), _halve(y)
        # A floor rather than zero itself: the gradient of 0 to a power below 1 is infinite.
        product = product * ops.power(ops.maximum(ops.mean(factor, axis=(1, 2)), 1e-12), weight)
    return ops.mean(product, axis=-1)


def _halve(images):
    return ops.average_pool(images, 2, 2, "valid", data_format="channels_last")


WINDOW = 7


def box_sum(a):
    """Return the sums over the 7×7 windows inside each image, ``(batch, height − 6, width − 6, channels)``.

    Args:
        a: ``(batch, height, width, channels)``.
    """
    return sum_of_seven(sum_of_seven(a, axis=1), axis=2)


def sum_of_seven(a, *, axis: int, step: int = 1):
    """Return the sums of seven neighbours along ``axis``, which gets ``6 · step`` shorter.

    In four additions: pairs, pairs of pairs, and what is left to seven.

    Args:
        a: tensor of any rank.
        axis: counted from the first, 0.
        step: how far neighbours are apart.
    """

    def cut(a, first, last):
        return a[(slice(None),) * axis + (slice(first * step, -last * step or None),)]

    pairs = cut(a, 0, 1) + cut(a, 1, 0)
    fours = cut(pairs, 0, 2) + cut(pairs, 2, 0)
    return cut(fours, 0, 3) + cut(pairs, 4, 1) + cut(a, 6, 0)


C1, C2 = 0.01**2, 0.03**2  # (K·data_range)² with data_range 1


def luminance(mean_x, mean_y):
    """Return (2·mean_x·mean_y + C1) / (mean_x² + mean_y² + C1) at every window."""
    return (2.0 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)


def contrast_structure(variances, covariance):
    """Return (2·covariance + C2) / (variances + C2) at every window; ``variances`` is that of x plus that of y."""
    return (2.0 * covariance + C2) / (variances + C2)


def moments(x, y):
    """Return what ``uniform_ssim`` takes the means of: x, y, x² + y² and x·y, of images less their middle."""
    return x, y, x * x + y * y, x * y


def uniform_ssim(mean_x, mean_y, squares, product, middle, *, samples):
    """Return SSIM with sample covariance at every window.

    Args:
        mean_x, mean_y, squares, product: window means of ``moments``.
        middle: what was taken off both images, broadcast against the means.
        samples: pixels in a window.
    """
    variances, covariance = _variances(mean_x, mean_y, squares, product, samples)
    return contrast_structure(variances, covariance) * luminance(mean_x + middle, mean_y + middle)


def uniform_ssim_derivatives(mean_x, mean_y, squares, product, middle, *, samples):
    """Return the derivatives of ``uniform_ssim`` by its first four arguments, at every window."""
    variances, covariance = _variances(mean_x, mean_y, squares, product, samples)
    structure = contrast_structure(variances, covariance)
    x, y = mean_x + middle, mean_y + middle
    light = luminance(x, y)
    by_product = 2.0 * light * (samples / (samples - 1.0)) / (variances + C2)
    by_squares = -0.5 * structure * by_product
    shared = 2.0 * structure / (x * x + y * y + C1)
    return (
        shared * (y - x * light) - 2.0 * mean_x * by_squares - mean_y * by_product,
        shared * (x - y * light) - 2.0 * mean_y * by_squares - mean_x * by_product,
        by_squares,
        by_product,
    )


def _variances(mean_x, mean_y, squares, product, samples):
    correction = samples / (samples - 1.0)
    # Where x = y, half of the squares is the product: rounded alike, variances and covariance stay equal, and SSIM 1,
    # even where E[x²] − E[x]² has lost all its digits.
    half_squares = 0.5 * squares
    variances = correction * ((half_squares - mean_x * mean_x) + (half_squares - mean_y * mean_y))
    return variances, correction * (product - mean_x * mean_y)


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


# Rows until the sums are made afresh: without it the rounding of all additions and subtractions grows to 2e-5 in the
# result. With 8 the walk takes a quarter longer, with 32 no less.
_AFRESH = 16


def ssim_by_rows(x, y, middle):
    """Return SSIM with a 7×7 window per image, ``(batch,)``; its gradient would be slow.

    Args:
        x, y: images, float32, ``(batch, height, width, channels)``, of known shape.
        middle: a number near the values of each image, ``(batch, 1, 1, 1)``.
    """
    batch, height, width, channels = x.shape
    # With an axis of one channel at the end, XLA takes half as long again.
    x, y = (ops.reshape(a, (batch, height, width * channels)) for a in (x, y))
    windows = height - (WINDOW - 1)
    total = ops.zeros((batch, (width - (WINDOW - 1)) * channels), dtype="float32")
    images, whole = (x, y, middle[:, 0, 0]), windows // _AFRESH
    walk = _walk(channels, _AFRESH)
    total = ops.fori_loop(0, whole, _strip(walk), (total, images))[0]
    if windows % _AFRESH:
        total = _walk(channels, windows % _AFRESH)(whole * _AFRESH, total, images)
    return ops.mean(total, axis=1) / windows


@functools.cache
def _strip(walk):
    def strip(number, carry):
        total, images = carry
        return walk(number * _AFRESH, total, images), images

    return strip


# Cached, as is ``_strip``: JAX keeps what it compiled for a function as long as it is given the same one.
@functools.cache
def _walk(channels: int, rows: int):
    """Return what adds the SSIM of ``rows`` rows of windows, the first of them at row ``start``, to ``total``."""

    def similarity(sums, middle):
        """Return SSIM of one row of windows, ``(batch, (width − 6) · channels)``, from sums over seven rows."""
        means = (sum_of_seven(moment, axis=1, step=channels) * (1.0 / WINDOW**2) for moment in sums)
        return uniform_ssim(*means, middle, samples=WINDOW**2)

    def next_row(step, carry):
        sums, total, start, images = carry
        entering, leaving = _moments_at(start + step + (WINDOW - 1), images), _moments_at(start + step - 1, images)
        # The sums are carried, so XLA keeps them for the seven windows that each of them is in.
        sums = tuple(a + (new - old) for a, new, old in zip(sums, entering, leaving, strict=True))
        return sums, total + similarity(sums, images[2]), start, images

    def walk(start, total, images):
        first, *rest = (_moments_at(start + row, images) for row in range(WINDOW))
        sums = tuple(sum(later, moment) for moment, *later in zip(first, *rest, strict=True))
        carry = (sums, total + similarity(sums, images[2]), start, images)
        return ops.fori_loop(1, rows, next_row, carry)[1]

    return walk


def _moments_at(row, images):
    """Return the moments of one row of pixels of all images, each ``(batch, width · channels)``."""
    x, y, middle = images
    batch, _, width = x.shape
    x, y = (ops.slice(a, (0, row, 0), (batch, 1, width))[:, 0] for a in (x, y))
    return moments(x - middle, y - middle)


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


@saving.register_keras_serializable(package="kerasae")
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


def ssimulacra2(x, y) -> np.ndarray:
    """Return the SSIMULACRA 2 of each image against its original ``x``, by the package ``ssimulacra2``.

    Meant for people's eyes: 30 is low quality, 50 medium, 70 high, 90 as good as the original (Sneyers 2022). The
    package takes sRGB of 8 bits; gray counts as colour of three equal channels. It has no gradient.

    Args:
        x, y: images, float in [0, 1], ``(batch, height, width, channels)`` with 1 or 3 channels, at least 8×8 pixels.

    Returns:
        float64 array ``(batch,)``, at most 100, for equal images.

    Raises:
        MetricError: shapes differ, rank is not 4, values are not floating point, or a side is below 8.
    """
    from PIL import Image
    from ssimulacra2 import compute_ssimulacra2

    pair = as_images("ssimulacra2", x, y, minimum_side=8, hint="Use mse or psnr, or larger images.")
    first, second = (np.rint(255 * ops.convert_to_numpy(one)).astype(np.uint8) for one in pair)
    scores = []
    for images in zip(first, second, strict=True):
        # The package reads files.
        files = [BytesIO(), BytesIO()]
        for file, image in zip(files, images, strict=True):
            Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file, "BMP")
        scores.append(compute_ssimulacra2(*files))
    return np.array(scores)
