"""A recipe: everything that decides a training run, as frozen data."""

from typing import Any

from pydantic import Field, model_validator

from kerasae.recipe.data import Data, PhotosData
from kerasae.recipe.model import Model
from kerasae.recipe.section import Section
from kerasae.recipe.training import Noise, Objective, Regularizer, Training


class Recipe(Section):
    """One training run: data, model, objective, regulariser, noise and training.

    ``name`` is the stem of the file it came from.
    """

    name: str = Field("recipe", pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=80)
    data: Data = PhotosData()
    model: Model
    objective: Objective = Objective()
    regularizer: Regularizer = Regularizer()
    noise: Noise = Noise()
    training: Training = Training()

    @model_validator(mode="after")
    def _parts_fit(self) -> "Recipe":
        stride, size = self.model.stride, self.data.image_size
        if size % stride:
            below, above = size // stride * stride, -(-size // stride) * stride
            near = f"{above}" if below < 8 else f"{below} or {above}"
            raise ValueError(
                f"data.image_size = {size} does not divide by the stride {stride} of this {self.model.kind}; "
                f"take {near}, or a model with fewer halvings"
            )
        if not self.model.is_variational:
            if self.objective.model_fields_set:
                raise ValueError(
                    f"[objective] is for variational models (mlp_vae, conv_vae); a {self.model.kind} minimises the "
                    "mean squared error; remove the section"
                )
            if self.training.best_by == "val_mse_sample":
                raise ValueError(
                    f"training.best_by = 'val_mse_sample' is for variational models; a {self.model.kind} has no "
                    "sample; take 'val_mse'"
                )
        return self

    def as_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, without the keys that are not set."""
        plain = self.model_dump(mode="json", exclude_none=True)
        if not self.model.is_variational:
            plain.pop("objective")
        return plain
