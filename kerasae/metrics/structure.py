"""Structural similarity at one window, from local moments (Wang et al. 2004, equations 6 to 13)."""

C1, C2 = 0.01**2, 0.03**2  # (K·data_range)² with data_range 1


def luminance(mean_x, mean_y):
    """Return (2·mean_x·mean_y + C1) / (mean_x² + mean_y² + C1) at every window."""
    return (2.0 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)


def contrast_structure(variances, covariance):
    """Return (2·covariance + C2) / (variances + C2) at every window; ``variances`` is that of x plus that of y."""
    return (2.0 * covariance + C2) / (variances + C2)


def uniform_ssim(mean_x, mean_y, mean_squares, mean_product, middle, *, samples):
    """Return SSIM with sample covariance at every window.

    Args:
        mean_x, mean_y: window means of the images less ``middle``.
        mean_squares, mean_product: window means of x² + y² and of x·y, of the images less ``middle``.
        middle: what was taken off both images, broadcast against the means.
        samples: pixels in a window.
    """
    correction = samples / (samples - 1.0)
    variances = correction * (mean_squares - mean_x * mean_x - mean_y * mean_y)
    covariance = correction * (mean_product - mean_x * mean_y)
    return contrast_structure(variances, covariance) * luminance(mean_x + middle, mean_y + middle)
