"""Models of every kind with the sizes that a test asks for, and one small one of each."""

from functools import partial

import keras
import numpy as np

from kerasae.recipes import Objective
from kerasae.recipes.section import model_settings


def model_of(kind, *, image_size=128, channels=1, seed=0, l1=0.0, l2=0.0, levels=8, span=1.0, lambdas=None, **sizes):
    """Return a model of ``kind``, as its layers start it; ``levels`` and ``span`` stand for lambdas."""
    objective = {key: sizes.pop(key) for key in ("quantization", "distortion", "likelihood") if key in sizes}
    if "beta" in sizes:
        objective["rate_weight"] = sizes.pop("beta")
    if lambdas is None and kind in LEARNED:
        lambdas = 0.01 * np.geomspace(1, max(span, 1 + 1e-6) ** 2, levels) if levels > 1 else [0.01]
    if lambdas is not None:
        objective["lambdas"] = tuple(float(one) for one in lambdas)
    regularizer = keras.regularizers.L1L2(l1, l2) if l1 and l2 else None
    regularizer = regularizer or (keras.regularizers.L1(l1) if l1 else keras.regularizers.L2(l2) if l2 else None)
    height, width = image_size if isinstance(image_size, tuple) else (image_size, image_size)
    settings = model_settings({"kind": kind} | sizes)
    return settings.build(
        (height, width, channels), regularizer=regularizer, objective=Objective(**objective), seed=seed
    )


LEARNED = ("factorized_prior", "scale_hyperprior", "mean_scale_hyperprior", "context_hyperprior")
conv_autoencoder, mlp_vae, conv_vae = (partial(model_of, kind) for kind in ("conv_autoencoder", "mlp_vae", "conv_vae"))
factorized_prior, scale_hyperprior, mean_scale_hyperprior, context_hyperprior = (
    partial(model_of, kind) for kind in LEARNED
)

_CODEC = {"image_size": 32, "widths": (4, 6), "latent_channels": 5, "levels": 3, "span": 4.0}
_HYPER = _CODEC | {"hyper_width": 6, "hyper_channels": 16}
SMALL = {
    "conv_autoencoder": {"image_size": 32, "filters": (4, 2)},
    "mlp_vae": {"image_size": 16, "hidden": (12,), "latent_size": 5},
    "conv_vae": {"image_size": 32, "widths": (4, 6), "latent_size": 5},
    "factorized_prior": _CODEC,
    "scale_hyperprior": _HYPER,
    "mean_scale_hyperprior": _HYPER,
    "context_hyperprior": _HYPER | {"context_width": 7},
}


def small(kind, **more):
    """Return the small model of ``kind``."""
    return model_of(kind, **SMALL[kind] | more)


def sizes_of(model):
    """Return the configuration of ``model``, its networks by the names and shapes of their layers."""
    config = dict(model.get_config())
    for part in ("encoder", "decoder"):
        layers = getattr(model, part).layers
        config[part] = [(layer.name, [tuple(weight.shape) for weight in layer.weights]) for layer in layers]
    return config
