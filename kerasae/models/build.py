"""``Recipe`` → model."""

from kerasae import recipe as recipes
from kerasae.models.compressor import Compressor
from kerasae.models.conv_autoencoder import ConvAutoencoder
from kerasae.models.conv_vae import ConvVae
from kerasae.models.initialise import initialise
from kerasae.models.mlp_vae import MlpVae

MODELS: dict[type, type[Compressor]] = {
    recipes.ConvAutoencoder: ConvAutoencoder,
    recipes.MlpVae: MlpVae,
    recipes.ConvVae: ConvVae,
}


def build_model(recipe: recipes.Recipe) -> Compressor:
    """Return the model of ``recipe``, its weights drawn from ``training.seed``, the same on every backend."""
    sizes = recipe.model.model_dump(exclude={"kind"})
    model = MODELS[type(recipe.model)](
        image_size=recipe.data.image_size,
        channels=recipe.data.channels,
        seed=recipe.training.seed,
        l1=recipe.regularizer.l1,
        l2=recipe.regularizer.l2,
        name=recipe.model.kind,
        **sizes,
    )
    initialise(model, recipe.training.seed)
    return model
