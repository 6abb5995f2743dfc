"""Structural similarity at one window, from local moments (Wang et al. 2004, equations 6 to 13)."""

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
