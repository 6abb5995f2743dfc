"""Distortions that training minimises, written once for all backends.

``loss = distortion + rate_weight · rate + penalty``, every term averaged over the batch:

======================  =========================================================  ==============
distortion              of one image                                               rate
======================  =========================================================  ==============
``mean_squared_error``  squared error, mean over pixels and channels               none
``unit``                squared error, summed over pixels and channels             nats
``calibrated``          −log N(image; reconstruction, σ²) in nats, σ² = batch MSE  nats
======================  =========================================================  ==============

A kernel penalty of 1e-5 therefore weighs 16,384 times more against the first than against the second on 128×128
images; which it was is stored with every run.
"""

import math

import keras
from keras import ops

DISTORTIONS = ("mean_squared_error", "unit", "calibrated")
# σ-VAE's authors bound log σ from below at −6, about half a gray level of 255, so that a perfect batch stays finite.
LEAST_VARIANCE = math.exp(-12.0)


def batch_mean(values, weights=None):
    """Return the mean of ``values`` ``(batch,)``, a scalar; with ``weights`` ``(batch,)``, the weighted mean.

    A batch that is filled up to divide over devices has weight 1 for each image and 0 for what fills it up.
    """
    if weights is None:
        return ops.mean(values)
    # Of a part of a batch that is nothing but filling the mean is 0.
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), keras.config.epsilon())


def distortion_of(images, reconstructions, distortion: str, weights=None):
    """Return the ``distortion`` of each image, ``(batch,)``, by name.

    ``images`` and ``reconstructions`` are ``(batch, height, width, channels)`` in [0, 1]; ``weights`` are those of
    ``batch_mean``, which decide here what counts as the batch's own variance.
    """
    squared = ops.square(images - reconstructions)
    if distortion == "mean_squared_error":
        return ops.mean(squared, axis=(1, 2, 3))
    summed = ops.sum(squared, axis=(1, 2, 3))
    if distortion == "unit":
        return summed
    return _calibrated(summed, weights, numbers=pixels_of(images) * images.shape[-1])


def pixels_of(images):
    """Return height · width of ``(batch, height, width, channels)``: a number, or a tensor where a graph knows none."""
    height, width = images.shape[1:3]
    if height is not None and width is not None:
        return height * width
    shape = ops.shape(images)
    return ops.cast(shape[1] * shape[2], "float32")


def _calibrated(summed, weights, numbers):
    """Negative log-likelihood in nats under the variance that maximises it over the batch.

    Rybkin, Daniilidis & Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders": the optimal shared
    variance is the mean squared error. The gradient through the variance is part of theirs and of ours: the sum over
    the batch is numbers/2 · log(mse) up to a constant.
    """
    variance = ops.maximum(batch_mean(summed, weights) / numbers, LEAST_VARIANCE)
    return 0.5 * (numbers * ops.log(2 * math.pi * variance) + summed / variance)
