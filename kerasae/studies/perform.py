"""Job → result on disk: what a worker process does, on whatever machine it is."""

import os
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from kerasae.errors import KerasaeError
from kerasae.studies.job import Job, Outcome

Tell = Callable[[int, int], None]


def perform(job: Job, tell: Tell | None = None) -> Outcome:
    """Do ``job`` in this process and return how it ended; ``tell(done, total)`` counts epochs.

    A fault of any kind becomes a failed outcome: one run must not take a study with it. The backend is chosen here, so
    this process must not have loaded Keras with another one.
    """
    began = time.perf_counter()
    try:
        found = _perform(job, tell or (lambda done, total: None))
    except KerasaeError as error:
        return Outcome("failed", str(error), round(time.perf_counter() - began, 2))
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        message = f"{type(error).__name__}: {first} ({Path(where.filename).name}, line {where.lineno})"
        return Outcome("failed", message, round(time.perf_counter() - began, 2))
    return Outcome("finished", "", round(time.perf_counter() - began, 2), found)


def _perform(job: Job, tell: Tell) -> dict:
    from kerasae.runtime import choose_backend

    os.environ["KERAS_BACKEND"] = job.backend
    choose_backend()
    import keras

    from kerasae.recipe import recipe_from

    recipe = recipe_from(job.recipe, name=job.name, origin=job.name)
    if job.kind == "timing":
        from kerasae.studies.timing import time_recipe

        return time_recipe(recipe)
    if job.kind == "do nothing":
        from kerasae.studies.yardsticks import score_nothing

        return score_nothing(job, recipe)
    if job.kind == "codecs":
        from kerasae.studies.yardsticks import measure_codecs

        return measure_codecs(job, recipe)
    from kerasae.studies.perform_run import perform_run

    try:
        return perform_run(job, recipe, tell)
    finally:
        # A worker does many runs: the graph of one is nothing to the next.
        keras.utils.clear_session()
