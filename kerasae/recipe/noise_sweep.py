"""A noise sweep as a TOML file: which recipes, over which sigmas."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, ValidationError, field_validator

from kerasae.errors import RecipeError
from kerasae.recipe.catalogue import find_recipe
from kerasae.recipe.explain import explain
from kerasae.recipe.load import read_toml
from kerasae.recipe.section import Section


class NoiseSweep(Section):
    """``[noise_sweep]``: ``recipes`` by name or path, ``sigmas`` in [0, 1], the ``split``, the noise's ``seed``."""

    recipes: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    sigmas: Annotated[tuple[float, ...], Field(strict=False, min_length=1)] = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
    split: Literal["train", "validation", "test"] = "test"
    seed: int = Field(0, ge=0, lt=2**32)

    @field_validator("sigmas")
    @classmethod
    def _in_range(cls, sigmas: tuple[float, ...]) -> tuple[float, ...]:
        if any(not 0 <= sigma <= 1 for sigma in sigmas):
            raise ValueError("has a value out of range; each is a standard deviation in [0, 1] intensity")
        return sigmas


def load_noise_sweep(recipe: str | Path) -> NoiseSweep:
    """Read a noise sweep from a TOML file or by the name of a shipped one; raises ``RecipeError`` as recipes do."""
    path = find_recipe(recipe)
    plain = read_toml(path)
    if set(plain) != {"noise_sweep"}:
        raise RecipeError(
            f"{path} is not a noise sweep: it must hold one section, [noise_sweep]; it holds {sorted(plain)}"
        )
    try:
        return NoiseSweep.model_validate(plain["noise_sweep"])
    except ValidationError as error:
        raise RecipeError(f"{path}: noise_sweep: {explain(error, NoiseSweep)}") from None


def is_noise_sweep(recipe: str | Path) -> bool:
    """Return whether a TOML file, or a shipped recipe's name, is a noise sweep."""
    return "noise_sweep" in read_toml(find_recipe(recipe))
