"""The base of every part of a recipe, and parts of which there are several kinds."""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from kerasae.recipes.messages import choice, explain


class Section(BaseModel):
    """A frozen part of a recipe: unknown keys and loosely typed values are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, validate_default=True)


Width = Annotated[int, Field(ge=1, le=4096)]
Widths = Annotated[tuple[Width, ...], Field(strict=False, min_length=1, max_length=6)]


def chosen(
    plain: Any, section: str, tag: str, base: type[Section], registry: Mapping[str, type[Section] | str]
) -> Section:
    """Return the part of a recipe that ``plain`` describes, of the kind that its key ``tag`` names in ``registry``.

    An entry is a class, or ``module:class`` of one that is loaded when a recipe asks for it.
    """
    if isinstance(plain, base):
        return plain
    if not isinstance(plain, Mapping):
        raise explained(f"{section} = {plain!r} must be a section such as [{section}]")
    kind = plain.get(tag)
    if kind is None:
        raise explained(f"{section}.{tag} is missing; it is one of {', '.join(registry)}")
    if kind not in registry:
        raise explained(choice(f"{section}.{tag}", kind, list(registry)))
    found = registry[kind]
    if isinstance(found, str):
        module, _, name = found.partition(":")
        found = getattr(import_module(module), name)
    try:
        return found.model_validate(dict(plain))
    except ValidationError as error:
        raise explained(explain(error, found, prefix=section)) from None


def explained(sentence: str) -> PydanticCustomError:
    """Return the error of a validator that says all there is to say."""
    return PydanticCustomError("explained", "{sentence}", {"sentence": sentence})
