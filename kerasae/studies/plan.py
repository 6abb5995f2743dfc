"""A study → the jobs it asks for, and which of them are still to be done.

In: a ``Study`` (the TOML file, checked) and what the command line overrides. Out: a ``Plan`` of cells, whose ``Job``s
an engine runs; each gives an ``Outcome``, and ``Event``s on the way. ``pending_jobs`` leaves out what is done already.
"""

import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from kerasae.errors import RecipeError, StudyError
from kerasae.recipes import Level, Recipe, Study, fingerprint, load_recipe, recipe_from, replace_data
from kerasae.recipes.load import set_key
from kerasae.recipes.studies import MOST_RUNS
from kerasae.runtime import BACKENDS
from kerasae.training import Run, runs_folder
from kerasae.training.run import equal_run, image_scores_path, run_name


@dataclass(frozen=True)
class Job:
    """One piece of a study's work, and where its result goes.

    ``kind``: ``run`` trains ``recipe`` (nested dictionaries) on ``backend`` into the folder of runs ``runs`` and scores
    it; ``do nothing`` scores the noisy images themselves and ``codecs`` measures the classical codecs, both into
    ``folder``, the study's; ``timing`` trains for a moment and measures how fast. ``name`` is unique in a study; that
    of a run is its folder's. ``rate``: measure a run as a codec too. ``cpus`` and ``gpus`` are what it takes.
    """

    kind: Literal["run", "do nothing", "codecs", "timing"]
    name: str
    backend: str
    recipe: dict[str, Any]
    runs: str
    folder: str
    split: str
    sigmas: tuple[float, ...]
    noise_seed: int = 0
    rate: bool = False
    cpus: float = 1.0
    gpus: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Job":
        """Return the job that ``as_dict`` wrote."""
        return cls(**plain | {"sigmas": tuple(plain["sigmas"])})


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``finished``, or ``failed`` with a one-line ``message``; ``result``: what was measured."""

    status: Literal["finished", "failed"]
    message: str = ""
    seconds: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """What an engine reports of a job: ``started``, ``progress`` (in epochs) or ``ended`` (with its ``outcome``)."""

    kind: Literal["started", "progress", "ended"]
    job: str
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None


@dataclass(frozen=True)
class PlannedCell:
    """One combination of levels (axis → level), its backend, and a recipe for each seed."""

    levels: dict[str, str]
    backend: str
    recipes: tuple[Recipe, ...]


@dataclass(frozen=True)
class Plan:
    """A study with every recipe resolved; ``folder`` is where its own results go, ``runs`` where its runs go."""

    study: Study
    cells: tuple[PlannedCell, ...]
    fingerprint: str
    runs: Path

    @property
    def folder(self) -> Path:
        """The study's folder."""
        return self.runs / f"study-{self.study.name}-{self.fingerprint}"

    def run_jobs(self) -> dict[str, tuple[Job, Recipe]]:
        """Return run name → job and recipe, the first seed first, so that a study cut short has seen every cell.

        Within a seed those of one backend stand together, so that workers seldom change it. Two cells that train the
        same thing share a job.
        """
        planned = [
            (cell, cell.recipes[place])
            for place in range(len(self.study.settings.seeds))
            for cell in self._by_backend()
        ]
        return {run_name(recipe, cell.backend): (self._job("run", cell, recipe), recipe) for cell, recipe in planned}

    def baseline_jobs(self) -> list[Job]:
        """Return the jobs for doing nothing and, where rates are wanted, for the classical codecs."""
        first = self.cells[0]
        kinds = ["do nothing"] * any(self.study.settings.sigmas) + ["codecs"] * self.study.settings.rate
        return [replace(self._job(kind, first, first.recipes[0]), name=kind) for kind in kinds]

    def timing_jobs(self) -> list[Job]:
        """Return a timing job for each model, batch size and backend of the study, named by ``timing_name``."""
        jobs = {}
        for cell in self._by_backend():
            name = timing_name(cell.recipes[0], cell.backend)
            jobs.setdefault(name, replace(self._job("timing", cell, cell.recipes[0]), name=name))
        return list(jobs.values())

    def _by_backend(self) -> list[PlannedCell]:
        return sorted(self.cells, key=lambda cell: cell.backend)

    def _job(self, kind, cell: PlannedCell, recipe: Recipe) -> Job:
        settings = self.study.settings
        return Job(
            kind=kind,
            name=run_name(recipe, cell.backend),
            backend=cell.backend,
            recipe=recipe.as_dict(),
            runs=str(self.runs),
            folder=str(self.folder),
            split=settings.split,
            sigmas=settings.sigmas,
            noise_seed=settings.noise_seed,
            rate=settings.rate,
            cpus=settings.cpus,
            gpus=settings.gpus,
        )


def timing_name(recipe: Recipe, backend: str) -> str:
    """Return a name for all that decides how long a step of ``recipe`` takes."""
    plain = recipe.as_dict()
    parts = [backend, plain["model"], plain["data"], plain["training"]["batch_size"], plain.get("objective")]
    return f"timing-{_digest(parts)}"


def plan_study(
    study: Study,
    *,
    backend: str,
    data: str | None = None,
    epochs: int | None = None,
    seeds: Sequence[int] | None = None,
    set: Sequence[str] = (),
    runs: str | Path | None = None,
) -> Plan:
    """Return the plan of ``study``: every combination of levels, every recipe checked.

    ``backend`` is that of runs whose levels name none; ``data``, ``epochs``, ``seeds`` and ``set`` override the recipes
    as those of ``load_recipe`` do. Raises ``RecipeError`` naming study, levels and what is wrong, ``StudyError`` where
    the runs would not compare.
    """
    if seeds:
        study = replace(study, settings=study.settings.model_copy(update={"seeds": tuple(seeds)}))
    _refuse_too_many(study)
    cells = []
    for combination in itertools.product(*(levels.items() for levels in study.axes.values())):
        names = dict(zip(study.axes, (name for name, _ in combination), strict=True))
        levels = [level for _, level in combination]
        where = f"study {study.name}, {', '.join(names.values())}"
        chosen = next((level.backend for level in reversed(levels) if level.backend), backend)
        if chosen not in BACKENDS:
            raise RecipeError(f"{where}: backend = {chosen!r} is not one of {', '.join(BACKENDS)}")
        plain = _merged(study, levels, where)
        if data is not None:
            plain = replace_data(plain, data)
        if epochs is not None:
            plain = set_key(plain, f"training.epochs={epochs}")
        for assignment in set:
            plain = set_key(plain, assignment)
        recipes = [_seeded(plain, seed, where) for seed in study.settings.seeds]
        cells.append(PlannedCell(names, chosen, tuple(recipes)))
    _refuse_other_images(study, cells)
    parts = [study.settings.model_dump(mode="json", exclude={"question", "cpus", "gpus"})]
    parts += [[cell.levels, cell.backend, [fingerprint(recipe) for recipe in cell.recipes]] for cell in cells]
    return Plan(study, tuple(cells), _digest(parts), runs_folder(runs).resolve())


def _merged(study: Study, levels: Sequence[Level], where: str) -> dict[str, Any]:
    base = next((level.recipe for level in reversed(levels) if level.recipe), study.settings.recipe)
    if base is None:
        raise RecipeError(f"{where}: there is no recipe to start from; set study.recipe, or recipe in a level")
    plain = load_recipe(base).as_dict()
    for changes in (study.common, *(level.changes for level in levels)):
        for section, keys in changes.items():
            plain[section] = plain.get(section, {}) | keys
    return plain


def _seeded(plain: dict[str, Any], seed: int, where: str) -> Recipe:
    training = plain.get("training", {}) | {"seed": seed}
    return recipe_from(plain | {"training": training}, name="recipe", origin=where)


def _refuse_too_many(study: Study) -> None:
    """Raise ``StudyError`` before a grid is written out that no machine could train."""
    levels, seeds = [len(one) for one in study.axes.values()], len(study.settings.seeds)
    runs = math.prod(levels) * seeds
    if runs > MOST_RUNS:
        raise StudyError(
            f"study {study.name} asks for {runs:,} runs ({len(levels)} axes of {min(levels)} to {max(levels)} levels, "
            f"{seeds} seeds); it may have at most {MOST_RUNS:,}: take axes, levels or seeds away"
        )


def _refuse_other_images(study: Study, cells: Sequence[PlannedCell]) -> None:
    first = cells[0].recipes[0].data
    for cell in cells[1:]:
        if cell.recipes[0].data != first:
            raise StudyError(
                f"study {study.name}: {', '.join(cell.levels.values())} and {', '.join(cells[0].levels.values())} have "
                "different [data]; a study compares on the same test images, so [data] must be the same for all levels"
            )


def _digest(parts: Any) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:8]


def is_done(job: Job, run: Run | None = None) -> bool:
    """Return whether what ``job`` would leave is on disk; ``run`` is the equal run there is, for jobs of that kind."""
    if job.kind == "codecs":
        return codecs_path(job.folder).is_file()
    if job.kind == "do nothing":
        return all(_scores_path(Path(job.folder), job, sigma).is_file() for sigma in job.sigmas if sigma)
    if run is None or not run.is_finished or not (run.folder / "scores.json").is_file() or missing_sigmas(run, job):
        return False
    return not job.rate or rate_path(run, job.split).is_file()


def missing_sigmas(run: Run, job: Job) -> list[float]:
    """Return the sigmas of ``job`` under which the run is not scored yet."""
    return [sigma for sigma in job.sigmas if not _scores_path(run.folder, job, sigma).is_file()]


def _scores_path(folder: Path, job: Job, sigma: float) -> Path:
    return image_scores_path(folder, split=job.split, sigma=sigma, seed=job.noise_seed)


def rate_path(run: Run, split: str) -> Path:
    """Return where the points of a run as a codec are kept."""
    return run.folder / f"rate_distortion_{split}.json"


def codecs_path(folder: str | Path) -> Path:
    """Return where a study keeps the points of the classical codecs."""
    return Path(folder) / "codecs.json"


@dataclass(frozen=True)
class PendingJobs:
    """What is left to do of a study: ``runs`` and ``baselines``; ``done`` are the jobs whose run is finished."""

    done: list[Job]
    runs: list[Job]
    baselines: list[Job]


def pending_jobs(plan: Plan) -> PendingJobs:
    """Return what is left to do of ``plan``, by what is on disk."""
    done, runs = [], []
    for job, recipe in plan.run_jobs().values():
        finished = is_done(job, equal_run(recipe, job.backend, plan.runs))
        (done if finished else runs).append(job)
    return PendingJobs(done, runs, [job for job in plan.baseline_jobs() if not is_done(job)])
