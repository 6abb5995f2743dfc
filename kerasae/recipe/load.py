"""TOML → ``Recipe``."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kerasae.errors import RecipeError
from kerasae.recipe.catalogue import find_recipe
from kerasae.recipe.explain import explain
from kerasae.recipe.override import replace_data, set_key
from kerasae.recipe.recipe import Recipe


def load_recipe(
    recipe: str | Path,
    *,
    data: str | None = None,
    epochs: int | None = None,
    seed: int | None = None,
    set: Sequence[str] = (),
) -> Recipe:
    """Read a recipe and apply the overrides.

    ``recipe`` is a TOML file or the name of a shipped recipe (``ae_l2``); ``data`` a source such as ``folder:PATH``;
    ``set`` holds ``section.key=value`` texts, applied last. Paths in the recipe become absolute.

    Raises ``RecipeError`` naming file, key, value received and what is allowed.
    """
    path = find_recipe(recipe)
    plain = read_toml(path)
    if "noise_sweep" in plain:
        raise RecipeError(f"{path} is a noise sweep, not a training recipe; run it with: kerasae noise-sweep {recipe}")
    if "study" in plain:
        raise RecipeError(f"{path} is a study, not a training recipe; run it with: kerasae study {recipe}")
    if data is not None:
        plain = replace_data(plain, data)
    if epochs is not None:
        plain = set_key(plain, f"training.epochs={epochs}")
    if seed is not None:
        plain = set_key(plain, f"training.seed={seed}")
    for assignment in set:
        plain = set_key(plain, assignment)
    return recipe_from(plain, name=path.stem, origin=str(path))


def recipe_from(plain: dict[str, Any], *, name: str, origin: str) -> Recipe:
    """Return the validated recipe of nested dictionaries; ``origin`` stands at the head of an error."""
    data = plain.get("data")
    # A recipe without a source means the photographs.
    if isinstance(data, dict):
        data = {"source": "photos"} | data
        for key in ("path", "data_dir"):
            if isinstance(data.get(key), str) and data[key]:
                data[key] = str(Path(data[key]).expanduser().resolve())
        plain = plain | {"data": data}
    try:
        return Recipe.model_validate({"name": name} | plain)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {explain(error)}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raises ``RecipeError`` with the line where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path} is not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is not a text file in UTF-8; a recipe is a TOML file") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None
