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
        self._objective_fits()
        return self

    def _objective_fits(self) -> None:
        kind = self.model.kind
        given = self.objective.model_fields_set
        variational, codec = self.objective.variational_keys, self.objective.codec_keys
        if not self.model.is_variational and not self.model.has_entropy_model and given:
            raise ValueError(
                f"[objective] is for variational models (mlp_vae, conv_vae) and learned codecs; a {kind} minimises the "
                "mean squared error; remove the section"
            )
        for key in sorted(given & codec) if self.model.is_variational else ():
            raise ValueError(f"objective.{key} is for learned codecs; a {kind} takes {', '.join(sorted(variational))}")
        for key in sorted(given & variational) if self.model.has_entropy_model else ():
            raise ValueError(f"objective.{key} is for variational models; a {kind} takes {', '.join(sorted(codec))}")
        if not self.model.is_variational and self.training.best_by == "val_mse_sample":
            raise ValueError(
                f"training.best_by = 'val_mse_sample' is for variational models; a {kind} has no sample; take 'val_mse'"
            )
        if self.model.has_entropy_model and "best_by" in self.training.model_fields_set:
            raise ValueError(
                f"training.best_by is not for a {kind}: its best epoch is always that of the lowest rate–distortion "
                "loss on validation images; remove the key"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return plain nested dictionaries, without the keys that are not set or not this kind of model's."""
        plain = self.model_dump(mode="json", exclude_none=True)
        if self.model.is_variational or self.model.has_entropy_model:
            others = self.objective.codec_keys if self.model.is_variational else self.objective.variational_keys
            plain["objective"] = {key: value for key, value in plain["objective"].items() if key not in others}
        else:
            plain.pop("objective")
        if self.model.has_entropy_model:
            plain["training"].pop("best_by")
        return plain
