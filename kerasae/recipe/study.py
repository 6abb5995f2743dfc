"""A study as frozen data: a grid of recipes, seeds, and what is measured of each run."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from kerasae.recipe.section import Section

Texts = Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
Sigmas = Annotated[tuple[float, ...], Field(strict=False, min_length=1)]
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(strict=False, min_length=1)]


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
    cpus: float = Field(1.0, gt=0)
    gpus: float = Field(0.0, ge=0)

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
