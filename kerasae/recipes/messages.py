"""Turn what pydantic found wrong into one sentence in the recipe's own words."""

import difflib
from typing import Any

from pydantic import BaseModel, ValidationError

from kerasae.recipes.schema import KINDS, Recipe
from kerasae.recipes.sources import SOURCES

_BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below", "min_length": "length at least"}
_TYPES = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text in quotes",
    "bool_type": "true or false",
    "tuple_type": "a list such as [8, 4]",
    "model_type": "a section such as [training]",
    "model_attributes_type": "a section such as [training]",
    "finite_number": "a finite number",
}


def explain(error: ValidationError, schema: type[BaseModel] = Recipe) -> str:
    """Return one sentence per fault of a ``schema``: key, value received, what is allowed, the nearest spelling."""
    return "; ".join(_sentence(fault, schema) for fault in error.errors(include_url=False))


def _sentence(fault: dict[str, Any], schema: type[BaseModel]) -> str:
    kind, value, context = fault["type"], fault["input"], fault.get("ctx", {})
    tags = {*SOURCES, *KINDS}
    # pydantic names the chosen member of a union in the path (data.folder.path); a recipe's author did not write it.
    path = [part for place, part in enumerate(fault["loc"]) if not (place == 1 and part in tags)]
    key = ".".join(str(part) for part in path)
    if kind == "missing":
        return f"{key} is missing; {_missing_hint(path)}"
    if kind == "extra_forbidden":
        return f"{key} is not a key kerasae knows{_nearest(path[-1], _siblings(fault['loc'], schema))}"
    if kind == "union_tag_invalid":
        return _choice(f"{key}.{context['discriminator'].strip(chr(39))}", context["tag"], context["expected_tags"])
    if kind == "union_tag_not_found":
        name = context["discriminator"].strip("'")
        choices = KINDS if name == "kind" else SOURCES
        return f"{key}.{name} is missing; it is one of {', '.join(choices)}"
    if kind == "literal_error":
        return _choice(key, value, context["expected"])
    if kind in _TYPES:
        return f"{key} = {value!r} is a {type(value).__name__}; it must be {_TYPES[kind]}"
    if kind == "value_error":
        return f"{key} = {_shown(value)} {context['error']}" if path else str(context["error"])
    for bound, words in _BOUNDS.items():
        if bound in context:
            return f"{key} = {_shown(value)} is out of range; it must be {words} {context[bound]}"
    return f"{key} = {_shown(value)} is not allowed: {fault['msg'][0].lower()}{fault['msg'][1:]}"


def _shown(value: Any) -> str:
    return str(list(value)) if isinstance(value, tuple) else repr(value)


def _missing_hint(path: list) -> str:
    if path == ["model"]:
        return f"a recipe needs a [model] section with kind = one of {', '.join(KINDS)}"
    return f"add it to [{path[0]}]" if len(path) > 1 else f"add a [{path[0]}] section"


def _choice(key: str, value: Any, expected: str) -> str:
    choices = [part.strip().strip("'") for part in expected.replace(" or ", ", ").split(",")]
    return f"{key} = {value!r} is not a choice{_nearest(str(value), choices)}"


def _nearest(word: str, allowed: list[str]) -> str:
    close = difflib.get_close_matches(str(word), allowed, n=1, cutoff=0.5)
    meant = f", did you mean {close[0]!r}?" if close else ";"
    return f"{meant} allowed: {', '.join(allowed)}"


def _siblings(location: tuple, schema: type[BaseModel]) -> list[str]:
    if schema is not Recipe:
        return list(schema.model_fields)
    if location[0] not in Recipe.model_fields or len(location) == 1:
        return list(Recipe.model_fields)
    if location[0] in ("data", "model") and len(location) > 2:
        return list({**SOURCES, **KINDS}[location[1]].model_fields)
    return list(Recipe.model_fields[location[0]].annotation.model_fields)
