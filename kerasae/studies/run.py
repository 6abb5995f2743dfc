"""Running a study: one job in this process, all that is left through an engine, and how long that will take.

``run_job`` is what an engine's workers call: a ``Job`` in, an ``Outcome`` out, Keras loaded on the job's backend.
``run_study`` and ``forecast`` take a ``Plan`` and an engine and load no Keras themselves.
"""

import json
import os
import shutil
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from kerasae.data import load_images
from kerasae.errors import DataError, KerasaeError, StudyError
from kerasae.files import read_bytes, write_json
from kerasae.recipes import Recipe, recipe_from
from kerasae.records import StudyRecord
from kerasae.runtime import choose_backend
from kerasae.studies.plan import Event, Job, Outcome, Plan, codecs_path, pending_jobs, timing_name
from kerasae.studies.results import STUDY_FILE, collect_results
from kerasae.training.run import equal_run


class Engine(Protocol):
    """What runs jobs, ``workers`` at a time; see ``kerasae.studies.engines``."""

    workers: int

    def __call__(self, jobs: list[Job], on_event: Callable[[Event], None]) -> dict[str, Outcome]:
        """Run every job and return name → outcome."""


def run_job(job: Job, report: Callable[[int, int], None] = lambda done, total: None) -> Outcome:
    """Run ``job`` in this process and return how it ended; ``report(done, total)`` counts epochs.

    A fault of any kind becomes a failed outcome: one run must not take a study with it. The backend is chosen here, so
    this process must not have loaded Keras with another one.
    """
    began = time.perf_counter()
    try:
        result = _run_on_backend(job, report)
    except KerasaeError as error:
        return Outcome("failed", str(error), round(time.perf_counter() - began, 2))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"{type(error).__name__}: {first} ({Path(where.filename).name}, line {where.lineno})"
        return Outcome("failed", message, round(time.perf_counter() - began, 2))
    return Outcome("finished", "", round(time.perf_counter() - began, 2), result)


def _run_on_backend(job: Job, report: Callable[[int, int], None]) -> dict[str, Any]:
    os.environ["KERAS_BACKEND"] = job.backend
    choose_backend()
    # Not before the backend is chosen.
    import keras

    from kerasae.studies.jobs import JOBS

    try:
        return JOBS[job.kind](job, recipe_from(job.recipe, name=job.name, origin=job.name), report)
    finally:
        # A worker does many runs: the graph of one is nothing to the next.
        keras.utils.clear_session()


def run_study(
    plan: Plan, engine: Engine, *, command: str = "", on_event: Callable[[Event], None] = lambda event: None
) -> StudyRecord:
    """Do what is left of ``plan`` with ``engine``, write ``study.json`` into its folder and return the record.

    Runs that fail are named in the record; the others go on. Raises ``StudyError`` where none succeeded, ``RunError``
    where a finished run is of other images than there are now.
    """
    began = time.perf_counter()
    refuse_other_images(plan)
    pending = pending_jobs(plan)
    # The baselines last: a study cut short is then still one of runs.
    jobs = [*pending.runs, *pending.baselines]
    outcomes = engine(jobs, on_event) if jobs else {}
    failed = {name: outcome.message for name, outcome in outcomes.items() if outcome.status == "failed"}
    record = collect_results(plan, command=command, failed=failed, seconds=time.perf_counter() - began)
    write_json(plan.folder / STUDY_FILE, record.as_dict())
    return record


def refuse_other_images(plan: Plan) -> None:
    """Raise ``RunError`` where a finished run of ``plan`` was trained on other images than its source holds now.

    Baselines that are of other images are deleted, to be measured again. Nothing is compared where this machine cannot
    load the images: the nodes of a cluster may, and a job that cannot says so.
    """
    jobs = plan.run_jobs().values()
    finished = [run for job, recipe in jobs if (run := equal_run(recipe, job.backend, plan.runs))]
    if not finished and not plan.folder.is_dir():
        return
    try:
        images = load_images(plan.cells[0].recipes[0].data)
    except DataError:
        return
    for run in finished:
        run.refuse_other_images(images, "delete its folder to have it trained again")
    about, now = plan.folder / "images.json", {"fingerprint": images.fingerprint}
    if about.is_file() and json.loads(read_bytes(about)) != now:
        shutil.rmtree(plan.folder / "evaluations", ignore_errors=True)
        codecs_path(plan.folder).unlink(missing_ok=True)
    write_json(about, now)


@dataclass(frozen=True)
class Forecast:
    """What a study has left to do: ``rows`` of ``run``, ``backend``, ``done`` and expected ``seconds`` (None if done).

    ``seconds`` is expected for all with ``workers`` runs at a time.
    """

    rows: list[dict[str, Any]]
    workers: int
    seconds: float

    @property
    def pending(self) -> int:
        """The number of runs left."""
        return sum(not row["done"] for row in self.rows)


def forecast(plan: Plan, engine: Engine) -> Forecast:
    """Return what is left of ``plan`` and how long it takes, from training each kind of model for a moment.

    The timings run on ``engine``, so that a worker has the cores that it will have in the study. Raises ``StudyError``
    where one fails: the run would as well.
    """
    refuse_other_images(plan)
    pending = {job.name for job in pending_jobs(plan).runs}
    outcomes = engine(plan.timing_jobs(), lambda event: None) if pending else {}
    for outcome in outcomes.values():
        if outcome.status == "failed":
            raise StudyError(f"study {plan.study.name} could not be timed: {outcome.message}")
    rows, kinds = [], {}
    for name, (job, recipe) in plan.run_jobs().items():
        row = {"run": name, "backend": job.backend, "done": name not in pending, "seconds": None}
        if name in pending:
            kind = timing_name(recipe, job.backend)
            row["seconds"] = _expected_seconds(job, recipe, outcomes[kind].result)
            kinds.setdefault(kind, []).append(row["seconds"])
        rows.append(row)
    starts = {kind: max(0.0, one.seconds - one.result["timed_seconds"]) for kind, one in outcomes.items()}
    return Forecast(rows, engine.workers, round(total_seconds(kinds, starts, engine.workers), 1))


def total_seconds(kinds: Mapping[str, Sequence[float]], starts: Mapping[str, float], workers: int) -> float:
    """Return how long runs take with ``workers`` at a time, from the seconds of each by its kind.

    ``starts`` is what the first run of a kind takes beyond the others in a worker: it loads the backend, and compiles
    what the worker then keeps. No run is shared between workers, so it never ends before the longest.
    """
    runs = [(starts[kind], seconds) for kind, every in kinds.items() for seconds in every]
    if not runs:
        return 0.0
    first = sum(starts[kind] * min(workers, len(every)) for kind, every in kinds.items())
    at_once = min(workers, len(runs))
    return max(max(map(sum, runs)), (first + sum(seconds for _, seconds in runs)) / at_once)


# Loading images and saving what a run leaves; measured about 2 s on 2 CPU cores, and of no weight beside training.
_LOAD_AND_SAVE_SECONDS = 2.0


def _expected_seconds(job: Job, recipe: Recipe, timing: dict[str, Any]) -> float:
    per_split = timing["scored_images"]
    # Validation in every epoch costs about a third of training on as many images: a forward pass of three.
    trained = recipe.training.epochs * (timing["train_images"] + per_split["validation"] / 3)
    noises = 1 + bool(recipe.noise.sigma)
    scored = noises * (per_split["validation"] + per_split["test"])
    scored += per_split[job.split] * max(0, len(job.sigmas) - noises)
    seconds = trained / timing["train_images_per_second"] + scored / timing["score_images_per_second"]
    return round(seconds + timing["compile_seconds"] + _LOAD_AND_SAVE_SECONDS, 1)
