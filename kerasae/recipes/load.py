"""TOML files and names of shipped recipes → ``Recipe``, and back."""

import difflib
import hashlib
import json
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kerasae.errors import RecipeError
from kerasae.files import shipped_folder
from kerasae.recipes.schema import Recipe
from kerasae.recipes.section import explain, shown
from kerasae.recipes.sources import SOURCES, ImageSource


def shipped_recipes(folder: str = "") -> list[Path]:
    """Return the TOML files of the shipped recipes, by name; ``folder`` is ``studies`` for those of studies."""
    return sorted((shipped_folder("recipes") / folder).glob("*.toml"))


def find_recipe(recipe: str | Path, *, folder: str = "") -> Path:
    """Return the file meant by ``recipe``: a path, or the name of a shipped recipe, in ``folder`` of them.

    A relative path that does not exist where the command runs, such as ``recipes/ae_l2.toml``, means the shipped recipe
    of that name. Raises ``RecipeError`` where there is none, with the nearest name.
    """
    path = Path(recipe).expanduser()
    if path.is_file():
        return path
    shipped = {file.stem: file for file in shipped_recipes(folder)}
    by_name = len(path.parts) == 1 or path.parts[:-1] == (("recipes", folder) if folder else ("recipes",))
    if by_name and path.stem in shipped and path.suffix in ("", ".toml"):
        return shipped[path.stem]
    if path.is_dir():
        raise RecipeError(f"{path} is a folder; a recipe is a TOML file or a name; see: kerasae recipes")
    close = difflib.get_close_matches(path.stem, shipped, n=1, cutoff=0.5)
    meant = f" Did you mean {close[0]}?" if close else ""
    what = "study" if folder else "recipe"
    raise RecipeError(f"there is no {what} {str(recipe)!r}, neither as a file nor by name.{meant} See: kerasae recipes")


def header(path: Path) -> str:
    """Return the comment at the head of a recipe file, without the hash signs."""
    lines = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        lines.append(line.removeprefix("#").strip())
    return "\n".join(lines)


def replace_data(plain: dict[str, Any], spec: str) -> dict[str, Any]:
    """Return the recipe ``plain`` with its source replaced by ``spec``; size, channels and split stay.

    ``spec`` is ``photos``, ``folder:PATH``, ``ffhq:PATH`` or ``tfds:NAME``; raises ``RecipeError`` for anything else.
    """
    source, _, where = spec.partition(":")
    if source not in SOURCES or bool(SOURCES[source].location) != bool(where):
        forms = [kind.asked_for.removeprefix("--data ") for kind in SOURCES.values() if "--data " in kind.asked_for]
        raise RecipeError(f"--data {spec!r} names no source of images; it is one of {', '.join(forms)}")
    old = plain.get("data", {})
    # What all sources have in common stays; what says where the images are goes.
    own = {key for kind in SOURCES.values() for key in kind.model_fields} - set(ImageSource.model_fields)
    kept = {key: value for key, value in old.items() if key not in own} if isinstance(old, dict) else {}
    location = {"source": source} | ({SOURCES[source].location: where} if where else {})
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
        raise RecipeError(f"--set {assignment!r}: {section} is not a section; it holds {shown(old)}")
    return plain | {section: old | {key: _value(text.strip())}}


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (ValueError, RecursionError):  # a number of thousands of digits is no TOML for Python either
        return text


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
        plain = plain | {"data": {"source": "photos"} | data}
    try:
        return Recipe.model_validate({"name": name} | plain)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {explain(error, Recipe)}") from None


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file; raises ``RecipeError`` with the line where it is not TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError:
        raise RecipeError(f"{path} is not a text file in UTF-8; a recipe is a TOML file") from None
    except ValueError as error:  # TOMLDecodeError, and what Python says of a number of thousands of digits
        raise RecipeError(f"{path} is not valid TOML: {error}") from None
    except RecursionError:
        raise RecipeError(f"{path} has brackets or keys nested too deep to be a recipe") from None
    except OSError as error:
        raise RecipeError(f"{path} cannot be read: {error.strerror}") from None


def to_toml(recipe: Recipe | dict[str, Any]) -> str:
    """Return the recipe, or what its ``as_dict`` gave, as TOML that ``load_recipe`` reads back to an equal recipe."""
    plain = dict(recipe) if isinstance(recipe, dict) else recipe.as_dict()
    lines = [f"name = {_toml(plain.pop('name'))}"]
    for section, values in plain.items():
        lines += ["", f"[{section}]", *(f"{key} = {_toml(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    # Texts, whole numbers, lists and booleans of JSON are TOML too; a number such as 1e-05 is as well.
    return json.dumps(value, ensure_ascii=False)


# These do not change a single bit of the result, or (the seed) stand in the run's name beside the fingerprint.
_WITHOUT_EFFECT = ("seed", "feed", "checkpoint_seconds")


def fingerprint(recipe: Recipe) -> str:
    """Return 8 hexadecimal digits that two recipes share exactly when they describe the same training, seed aside."""
    plain = recipe.differences()
    plain.pop("name", None)
    for key in _WITHOUT_EFFECT:
        plain.get("training", {}).pop(key, None)
    if not plain.get("training"):
        plain.pop("training", None)
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]
