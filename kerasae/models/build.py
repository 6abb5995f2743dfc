"""``Recipe`` → model."""

import contextlib

import keras

from kerasae import recipes as recipes
from kerasae.models.autoencoder import ConvAutoencoder
from kerasae.models.base import Autoencoder, initialize
from kerasae.models.factorized import FactorizedPrior
from kerasae.models.hyperprior import MeanScaleHyperprior, ScaleHyperprior
from kerasae.models.vae import ConvVae, MlpVae

MODELS: dict[type, type[Autoencoder]] = {
    recipes.ConvAutoencoder: ConvAutoencoder,
    recipes.MlpVae: MlpVae,
    recipes.ConvVae: ConvVae,
    recipes.FactorizedPrior: FactorizedPrior,
    recipes.ScaleHyperprior: ScaleHyperprior,
    recipes.MeanScaleHyperprior: MeanScaleHyperprior,
}


def build_model(recipe: recipes.Recipe) -> Autoencoder:
    """Return the model of ``recipe``, its weights drawn from ``training.seed``, the same on every backend."""
    sizes = recipe.model.model_dump(exclude={"kind"})
    if recipe.model.has_entropy_model:
        sizes |= {"levels": recipe.objective.levels, "span": recipe.objective.step_span}
        sizes |= {"quantization": recipe.objective.quantization}
    with _policy(recipe.training.precision):
        model = MODELS[type(recipe.model)](
            image_size=recipe.data.image_size,
            channels=recipe.data.channels,
            seed=recipe.training.seed,
            l1=recipe.regularizer.l1,
            l2=recipe.regularizer.l2,
            name=recipe.model.kind,
            **sizes,
        )
    initialize(model, recipe.training.seed)
    return model


@contextlib.contextmanager
def _policy(precision: str | None):
    """Let layers made inside compute in ``precision``; None leaves Keras' own setting."""
    before = keras.config.dtype_policy()
    if precision:
        keras.config.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
