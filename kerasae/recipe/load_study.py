"""TOML → ``Study``."""

import difflib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from kerasae.errors import RecipeError
from kerasae.recipe.catalogue import find_recipe
from kerasae.recipe.explain import explain
from kerasae.recipe.load import read_toml
from kerasae.recipe.study import Level, Study, StudySettings

_SECTIONS = ("study", "set", "axes")


def load_study(recipe: str | Path) -> Study:
    """Read a study from a TOML file or by the name of a shipped one.

    ``[study]`` as in ``StudySettings``; ``[set]`` holds keys for every run; each ``[axes.AXIS.LEVEL]`` the keys that
    this level changes (``section.key = value``), with ``recipe`` for another base and ``backend`` for another backend;
    or ``[axes.AXIS]`` a ``key`` and its ``values``, a level each.

    Raises ``RecipeError`` naming file, key, value received and what is allowed.
    """
    path = find_recipe(recipe, folder="studies")
    plain = read_toml(path)
    if "study" not in plain:
        raise RecipeError(
            f"{path} is not a study: it has no section [study]; train a recipe with: kerasae train {recipe}"
        )
    unknown = [key for key in plain if key not in _SECTIONS]
    if unknown:
        raise RecipeError(f"{path}: {unknown[0]} is not a section of a study{_nearest(unknown[0], _SECTIONS)}")
    try:
        settings = StudySettings.model_validate(plain["study"])
    except ValidationError as error:
        raise RecipeError(f"{path}: study: {explain(error, StudySettings)}") from None
    axes = {
        str(axis): _levels(path, axis, levels) for axis, levels in _table(path, "axes", plain.get("axes", {})).items()
    }
    if not axes:
        raise RecipeError(f"{path}: a study needs an axis, such as [axes.regularizer.none] and [axes.regularizer.L2]")
    for axis in settings.compare:
        if axis not in axes:
            raise RecipeError(f"{path}: study.compare names {axis!r}, which is no axis{_nearest(axis, list(axes))}")
        if len(axes[axis]) < 2:
            raise RecipeError(f"{path}: axes.{axis} has one level; a comparison needs two at least")
    common = _changes(path, "set", _table(path, "set", plain.get("set", {})))
    return Study(path.stem, settings, axes, common)


def is_study(recipe: str | Path) -> bool:
    """Return whether a TOML file, or a shipped recipe's name, is a study."""
    return "study" in read_toml(find_recipe(recipe, folder="studies"))


def _levels(path: Path, axis: str, levels: Any) -> dict[str, Level]:
    levels = _table(path, f"axes.{axis}", levels)
    if set(levels) == {"key", "values"}:
        section, _, key = str(levels["key"]).partition(".")
        if not key or not isinstance(levels["values"], list) or not levels["values"]:
            raise RecipeError(f'{path}: axes.{axis} needs key = "section.key" and values = [1, 2, …]')
        return {_shown(value): Level(changes={section: {key: value}}) for value in levels["values"]}
    return {str(name): _level(path, f"axes.{axis}.{name}", content) for name, content in levels.items()}


def _level(path: Path, place: str, content: Any) -> Level:
    content = dict(_table(path, place, content))
    texts = {}
    for key in ("recipe", "backend"):
        texts[key] = content.pop(key, None)
        if texts[key] is not None and not isinstance(texts[key], str):
            raise RecipeError(f"{path}: {place}.{key} = {texts[key]!r} must be text in quotes")
    return Level(changes=_changes(path, place, content), **texts)


def _changes(path: Path, place: str, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for section, keys in content.items():
        if not isinstance(keys, dict):
            raise RecipeError(f"{path}: {place}.{section} = {keys!r} names no section; write section.key = value")
    return content


def _table(path: Path, place: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: {place} must be a section such as [{place}]; it is {content!r}")
    return content


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _nearest(word: str, allowed) -> str:
    close = difflib.get_close_matches(word, allowed, n=1, cutoff=0.5)
    meant = f", did you mean {close[0]!r}?" if close else ";"
    return f"{meant} there are: {', '.join(allowed)}"
