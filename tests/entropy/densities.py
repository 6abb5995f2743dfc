"""Densities with weights of their own, as training might leave them, and the papers' formulas beside them."""

import numpy as np
from keras import ops

from kerasae.entropy import FactorizedDensity, LogisticMixtureDensity

KINDS = [FactorizedDensity, LogisticMixtureDensity]


def trained(kind, channels=3, seed=0):
    """Return a density of ``kind`` whose channels differ: off centre, skew, some narrow and some wide."""
    random = np.random.default_rng(seed)
    density = kind(channels, initial_scale=2.0)
    for weight in density.weights:
        weight.assign(ops.convert_to_numpy(weight) + random.normal(scale=0.4, size=weight.shape))
    return density


def weights_of(density):
    """Return the weights by name, float64."""
    return {weight.name: ops.convert_to_numpy(weight).astype("float64") for weight in density.weights}


def mass(kind, weights, channel, y):
    """Return F(y + ½) − F(y − ½) in float64, one number at a time, straight from the formula."""
    return cumulative(kind, weights, channel, y + 0.5) - cumulative(kind, weights, channel, y - 0.5)


def cumulative(kind, weights, channel, x):
    """Return F(x) in float64."""
    return {FactorizedDensity: _factorized, LogisticMixtureDensity: _mixture}[kind](weights, channel, x)


def _factorized(weights, channel, x):
    vector, last = np.array([[x]]), sum(name.startswith("matrix") for name in weights) - 1
    for place in range(last + 1):
        matrix = np.log1p(np.exp(weights[f"matrix_{place}"][channel]))
        vector = matrix @ vector + weights[f"bias_{place}"][channel]
        if place < last:
            vector = vector + np.tanh(weights[f"factor_{place}"][channel]) * np.tanh(vector)
    return _sigmoid(vector.item())


def _mixture(weights, channel, x):
    shares = np.exp(weights["logits"][channel])
    places = (x - weights["means"][channel]) / np.exp(weights["log_scales"][channel])
    return float((shares / shares.sum() * _sigmoid(places)).sum())


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))
