"""What training minimises, written once for all backends.

``loss = distortion + rate_weight · rate + weight_penalty``, every term averaged over the batch:

======================  =========================================================  ==============
convention              distortion of one image                                    rate
======================  =========================================================  ==============
``mean_squared_error``  squared error, mean over pixels and channels               none
``unit``                squared error, summed over pixels and channels             nats
``calibrated``          −log N(image; reconstruction, σ²) in nats, σ² = batch MSE  nats
======================  =========================================================  ==============

A kernel penalty of 1e-5 therefore weighs 16,384 times more against the first than against the second on 128×128
images; the convention is stored with every run.
"""

import math

from keras import ops

# σ-VAE's authors bound log σ from below at −6, about half a gray level of 255, so that a perfect batch stays finite.
LEAST_VARIANCE = math.exp(-12.0)


def batch_mean(values, weights=None):
    """Return the mean of ``values`` ``(batch,)``, a scalar; with ``weights`` ``(batch,)``, the weighted mean.

    A batch that is filled up to divide over devices has weight 1 for each image and 0 for what fills it up.
    """
    if weights is None:
        return ops.mean(values)
    return ops.sum(values * weights) / ops.sum(weights)


def distortion(images, reconstructions, convention: str, weights=None):
    """Return the distortion of each image, ``(batch,)``, under ``convention``.

    ``images`` and ``reconstructions`` are ``(batch, height, width, channels)`` in [0, 1]; ``weights`` are those of
    ``batch_mean``, which decide here what counts as the batch's own variance.
    """
    squared = ops.square(images - reconstructions)
    if convention == "mean_squared_error":
        return ops.mean(squared, axis=(1, 2, 3))
    summed = ops.sum(squared, axis=(1, 2, 3))
    if convention == "unit":
        return summed
    return _calibrated(summed, weights, numbers=math.prod(images.shape[1:]))


def _calibrated(summed, weights, numbers: int):
    """Negative log-likelihood in nats under the variance that maximises it over the batch.

    Rybkin, Daniilidis & Levine 2021, "Simple and Effective VAE Training with Calibrated Decoders": the optimal shared
    variance is the mean squared error. The gradient through the variance is part of theirs and of ours: the sum over
    the batch is numbers/2 · log(mse) up to a constant.
    """
    variance = ops.maximum(batch_mean(summed, weights) / numbers, LEAST_VARIANCE)
    return 0.5 * (numbers * ops.log(2 * math.pi * variance) + summed / variance)


def weight_penalty(variables):
    """Return the sum of the variables' own regularisers, a scalar; 0 where none has one."""
    penalties = [variable.regularizer(variable) for variable in variables if variable.regularizer is not None]
    return sum(penalties) if penalties else ops.zeros(())
