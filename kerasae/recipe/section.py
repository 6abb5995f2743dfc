"""The base of every part of a recipe."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A frozen part of a recipe: unknown keys and loosely typed values are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)
