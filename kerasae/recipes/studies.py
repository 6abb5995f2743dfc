"""Studies and noise sweeps as TOML files."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from kerasae.errors import RecipeError
from kerasae.recipes.load import find_recipe, read_toml
from kerasae.recipes.section import Section, explain, nearest, shown

Texts = Annotated[tuple[str, ...], Field(strict=False, min_length=1, max_length=100)]
Sigmas = Annotated[tuple[float, ...], Field(strict=False, min_length=1, max_length=100)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(strict=False, min_length=1, max_length=1000)]
MOST_RUNS = 5_000  # of a study: cells × seeds


class StudySettings(Section):
    """``[study]``: the ``question``, the base ``recipe``, and what is measured.

    ``compare`` names the axes whose levels are compared, each with the axis' first level, all else equal. Every run is
    trained with each of ``seeds`` and scored on the images of ``split`` under noise of each of ``sigmas``, fixed by
    ``noise_seed``; the comparisons are made at ``compare_sigmas`` (by default 0 and 0.1, where they are among
    ``sigmas``). With ``rate`` the runs are frozen and measured as codecs too, beside the classical ones. ``cpus`` and
    ``gpus`` are what one run takes, for engines that hand out machines.
    """

    question: str = ""
    recipe: str | None = None
    compare: Texts
    seeds: Seeds = (0, 1, 2)
    sigmas: Sigmas = (0.0,)
    compare_sigmas: Sigmas | None = None
    split: Literal["train", "validation", "test"] = "test"
    noise_seed: int = Field(0, ge=0, lt=2**32)
    rate: bool = False
    cpus: float = Field(1.0, gt=0, le=4096)
    gpus: float = Field(0.0, ge=0, le=1024)

    @field_validator("sigmas", "compare_sigmas")
    @classmethod
    def _in_range(cls, sigmas: tuple[float, ...] | None) -> tuple[float, ...] | None:
        if any(not 0 <= sigma <= 1 for sigma in sigmas or ()):
            raise ValueError("has a value out of range; each is a standard deviation in [0, 1] intensity")
        return None if sigmas is None else tuple(sorted(set(sigmas)))

    @field_validator("seeds")
    @classmethod
    def _different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("names a seed twice; the same seed trains the same run")
        return seeds

    @model_validator(mode="after")
    def _compared_where_scored(self) -> "StudySettings":
        missing = [sigma for sigma in self.compare_sigmas or () if sigma not in self.sigmas]
        if missing:
            raise ValueError(f"compare_sigmas has {missing[0]:g}, which is not among sigmas = {list(self.sigmas)}")
        return self

    @property
    def compared_sigmas(self) -> tuple[float, ...]:
        """The sigmas at which levels are compared."""
        if self.compare_sigmas is not None:
            return self.compare_sigmas
        return tuple(sigma for sigma in self.sigmas if sigma in (0.0, 0.1)) or self.sigmas[:1]


@dataclass(frozen=True)
class Level:
    """What one level of an axis changes: keys by section, and perhaps the base ``recipe`` and the ``backend``."""

    recipe: str | None = None
    backend: str | None = None
    changes: dict[str, dict[str, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A study recipe: ``axes`` maps axis → level → what it changes; ``common`` holds the changes to every run."""

    name: str
    settings: StudySettings
    axes: dict[str, dict[str, Level]]
    common: dict[str, dict[str, Any]] = field(default_factory=dict)


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
        raise RecipeError(f"{path}: {unknown[0]} is not a section of a study{nearest(unknown[0], _SECTIONS)}")
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
            raise RecipeError(f"{path}: study.compare names {axis!r}, which is no axis{nearest(axis, list(axes))}")
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
        return {_level_name(value): Level(changes={section: {key: value}}) for value in levels["values"]}
    return {str(name): _level(path, f"axes.{axis}.{name}", content) for name, content in levels.items()}


def _level(path: Path, place: str, content: Any) -> Level:
    content = dict(_table(path, place, content))
    texts = {}
    for key in ("recipe", "backend"):
        texts[key] = content.pop(key, None)
        if texts[key] is not None and not isinstance(texts[key], str):
            raise RecipeError(f"{path}: {place}.{key} = {shown(texts[key])} must be text in quotes")
    return Level(changes=_changes(path, place, content), **texts)


def _changes(path: Path, place: str, content: dict[str, Any]) -> dict[str, dict[str, Any]]:
    for section, keys in content.items():
        if not isinstance(keys, dict):
            raise RecipeError(f"{path}: {place}.{section} = {shown(keys)} names no section; write section.key = value")
    return content


def _table(path: Path, place: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise RecipeError(f"{path}: {place} must be a section such as [{place}]; it is {shown(content)}")
    return content


def _level_name(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else value if isinstance(value, str) else shown(value)


class NoiseSweep(Section):
    """``[noise_sweep]``: ``recipes`` by name or path, ``sigmas`` in [0, 1], the ``split``, the noise's ``seed``."""

    recipes: Texts
    sigmas: Sigmas = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)
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
