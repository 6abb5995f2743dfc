"""Plan → runs → record: a study from beginning to end."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from kerasae.atomic import write_json
from kerasae.records import StudyRecord
from kerasae.studies.collect import collect
from kerasae.studies.evidence import codecs_path, is_done, nothing_is_done
from kerasae.studies.job import Event, Job, Outcome
from kerasae.studies.plan import Plan
from kerasae.training.name import equal_run

Engine = Callable[[list[Job], Callable[[Event], None]], dict[str, Outcome]]


@dataclass(frozen=True)
class Todo:
    """What of a study is done, and what is not: jobs for runs, and jobs for what they are held against."""

    done: list[Job]
    runs: list[Job]
    yardsticks: list[Job]


def todo(plan: Plan) -> Todo:
    """Return what is left to do of ``plan``, by what is on disk."""
    done, runs = [], []
    for job, recipe in plan.run_jobs().values():
        finished = is_done(equal_run(recipe, job.backend, plan.runs), job)
        (done if finished else runs).append(job)
    have = {"do nothing": nothing_is_done, "codecs": lambda job: codecs_path(job.folder).is_file()}
    return Todo(done, runs, [job for job in plan.yardstick_jobs() if not have[job.kind](job)])


def conduct(
    plan: Plan, engine: Engine, *, command: str = "", listen: Callable[[Event], None] | None = None
) -> StudyRecord:
    """Do what is left of ``plan`` with ``engine``, write ``study.json`` into its folder and return the record.

    Runs that fail are named in the record; the others go on. Raises ``StudyError`` where none succeeded.
    """
    began = time.perf_counter()
    left = todo(plan)
    outcomes = {}
    if left.runs or left.yardsticks:
        # The yardsticks last: a study cut short is then still one of runs.
        outcomes = engine([*left.runs, *left.yardsticks], listen or (lambda event: None))
    failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"}
    record = collect(plan, command=command, failed=failed, seconds=time.perf_counter() - began)
    write_json(plan.folder / "study.json", record.as_dict())
    return record
