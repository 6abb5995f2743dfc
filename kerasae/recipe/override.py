"""``--data SPEC`` and ``--set section.key=value``: changes to a recipe from the command line."""

import tomllib
from typing import Any

from kerasae.errors import RecipeError
from kerasae.recipe.data import SOURCES

_SPEC_KEY = {"folder": "path", "ffhq": "path", "tfds": "name"}
_SPEC_FORMS = "photos, folder:PATH, ffhq:PATH, tfds:NAME"


def replace_data(plain: dict[str, Any], spec: str) -> dict[str, Any]:
    """Return the recipe ``plain`` with its source replaced by ``spec``; size, channels and split stay.

    ``spec`` is ``photos``, ``folder:PATH``, ``ffhq:PATH`` or ``tfds:NAME``; raises ``RecipeError`` for anything else.
    """
    source, _, where = spec.partition(":")
    if source not in SOURCES or (source in _SPEC_KEY) != bool(where):
        raise RecipeError(f"--data {spec!r} names no source of images; it is one of {_SPEC_FORMS}")
    old = plain.get("data", {})
    locations = {key for section in SOURCES.values() for key in section.location_keys}
    kept = {key: value for key, value in old.items() if key not in locations} if isinstance(old, dict) else {}
    location = {"source": source} | ({_SPEC_KEY[source]: where} if where else {})
    return plain | {"data": kept | location}


def set_key(plain: dict[str, Any], assignment: str) -> dict[str, Any]:
    """Return the recipe ``plain`` with one ``section.key=value`` changed; the value is read as TOML, or else as text.

    Raises ``RecipeError`` if ``assignment`` is not of that form.
    """
    place, equals, text = assignment.partition("=")
    section, dot, key = place.strip().partition(".")
    if not (equals and dot and section and key and "." not in key):
        raise RecipeError(f"--set {assignment!r} is not of the form section.key=value, such as training.epochs=20")
    old = plain.get(section, {})
    if not isinstance(old, dict):
        raise RecipeError(f"--set {assignment!r}: {section} is not a section; it holds {old!r}")
    return plain | {section: old | {key: _value(text.strip())}}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
