"""``Recipe`` → TOML, every default spelled out, so that a stored run needs no other version's defaults."""

import json
from typing import Any

from kerasae.recipe.recipe import Recipe


def to_toml(recipe: Recipe) -> str:
    """Return the recipe as TOML that ``load_recipe`` reads back to an equal recipe."""
    plain = recipe.as_dict()
    lines = [f"name = {_toml(plain.pop('name'))}"]
    for section, values in plain.items():
        lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # Texts, whole numbers, lists and booleans of JSON are TOML too; a number such as 1e-05 is as well.
    return json.dumps(value, ensure_ascii=False)
