"""Which runs can make up images."""

from kerasae.errors import ModelError
from kerasae.training import Run


def refuse_without_prior(run: Run) -> None:
    """Raise ``ModelError`` where ``run`` is not variational; loads no Keras."""
    kind = run.recipe.model.kind
    if not run.recipe.model.is_variational:
        raise ModelError(
            f"{run.name} is a {kind}: its latents have no distribution to draw from; "
            "generate takes runs of variational models (mlp_vae, conv_vae)"
        )
