"""A whole study through an engine: what is left to do, how long it takes, doing it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from kerasae.errors import StudyError
from kerasae.files import write_json
from kerasae.records import StudyRecord
from kerasae.studies.gather import collect
from kerasae.studies.plan import Event, Job, Outcome, Plan, codecs_path, is_done, nothing_is_done, timed_by
from kerasae.training.run import equal_run

Engine = Callable[[list[Job], Callable[[Event], None]], dict[str, Outcome]]


@dataclass(frozen=True)
class Todo:
    """What of a study is done, and what is not: jobs for runs, and jobs for what they are held against."""

    done: list[Job]
    runs: list[Job]
    baselines: list[Job]


def todo(plan: Plan) -> Todo:
    """Return what is left to do of ``plan``, by what is on disk."""
    done, runs = [], []
    for job, recipe in plan.run_jobs().values():
        finished = is_done(equal_run(recipe, job.backend, plan.runs), job)
        (done if finished else runs).append(job)
    have = {"do nothing": nothing_is_done, "codecs": lambda job: codecs_path(job.folder).is_file()}
    return Todo(done, runs, [job for job in plan.baseline_jobs() if not have[job.kind](job)])


def conduct(
    plan: Plan, engine: Engine, *, command: str = "", listen: Callable[[Event], None] | None = None
) -> StudyRecord:
    """Do what is left of ``plan`` with ``engine``, write ``study.json`` into its folder and return the record.

    Runs that fail are named in the record; the others go on. Raises ``StudyError`` where none succeeded.
    """
    began = time.perf_counter()
    left = todo(plan)
    outcomes = {}
    if left.runs or left.baselines:
        # The baselines last: a study cut short is then still one of runs.
        outcomes = engine([*left.runs, *left.baselines], listen or (lambda event: None))
    failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"}
    record = collect(plan, command=command, failed=failed, seconds=time.perf_counter() - began)
    write_json(plan.folder / "study.json", record.as_dict())
    return record


# Loading images and saving what a run leaves; measured about 2 s on 2 CPU cores, and of no weight beside training.
_SECONDS_BESIDE = 2.0


def estimate(plan: Plan, left: Todo, engine: Engine) -> dict[str, float]:
    """Return run name → expected seconds for each run that is left, from training each kind of model for a moment.

    The timings run on ``engine``, so that a worker has the cores there that it will have in the study. Raises
    ``StudyError`` where one fails: the run would as well.
    """
    outcomes = engine(plan.timing_jobs(), lambda event: None)
    for outcome in outcomes.values():
        if outcome.status == "failed":
            raise StudyError(f"study {plan.study.name} could not be timed: {outcome.message}")
    planned, expected = plan.run_jobs(), {}
    for job in left.runs:
        _, recipe = planned[job.name]
        timing = outcomes[timed_by(recipe, job.backend)].found
        per_split = timing["scored_images"]
        trained = recipe.training.epochs * timing["train_images"] / timing["train_images_per_second"]
        # Validation in every epoch costs about a third of training on as many images: a forward pass of three.
        validated = recipe.training.epochs * per_split["validation"] / (3 * timing["train_images_per_second"])
        noises = 1 + bool(recipe.noise.sigma)
        scored = noises * (per_split["validation"] + per_split["test"])
        scored += per_split[job.split] * max(0, len(job.sigmas) - noises)
        seconds = trained + validated + scored / timing["score_images_per_second"]
        expected[job.name] = round(seconds + timing["compile_seconds"] + _SECONDS_BESIDE, 1)
    return expected
