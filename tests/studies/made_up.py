"""A tiny study, jobs that take seconds, and a worker that does what a job's name says."""

import os
import signal

from kerasae.recipes import load_recipe
from kerasae.studies.plan import Event, Job, Outcome
from kerasae.training.run import run_name
from tests.conftest import BACKEND

STUDY = """
[study]
question = "Does L2 matter?"
compare = ["regularizer"]
seeds = [0, 1]
sigmas = [0.0, 0.1]
recipe = "ae_baseline"

[set]
data.image_size = 16
model.filters = [4, 2]
training.epochs = 3
training.batch_size = 8

[axes.regularizer.none]

[axes.regularizer.L2]
regularizer.l2 = 1e-3
"""


def write_study(folder, text=STUDY, name="tiny"):
    """Write a study recipe and return its path."""
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def job(name, backend="jax"):
    """Return a job for workers that look at its name alone."""
    return Job("run", name, backend, {}, "runs", "study", "test", (0.0,))


def serve_by_name(connection, environment, cores, parent):
    """Do what a job's name says: ``die``, ``die once`` (a file remembers), ``fail``, or finish; report the backend."""
    while True:
        try:
            asked = Job.from_dict(connection.recv())
        except EOFError:
            return
        marker = asked.name.partition("@")[2]
        if asked.name.startswith("die once") and not os.path.exists(marker):
            open(marker, "w").close()
            os.kill(os.getpid(), signal.SIGKILL)
        if asked.name.startswith("die") and not marker:
            os.kill(os.getpid(), signal.SIGKILL)
        connection.send(Event("progress", asked.name, done=1, total=2))
        status = "failed" if asked.name.startswith("fail") else "finished"
        result = {"backend": environment["KERAS_BACKEND"], "cores": list(cores), "process": os.getpid()}
        connection.send(Event("ended", asked.name, outcome=Outcome(status, "as asked", 0.0, result)))


def tiny_job(images, runs, *, seed=0, epochs=2, sigmas=(0.0, 0.1), changes=(), **job):
    """Return a job that trains a small autoencoder on the folder ``images``."""
    changes = ["data.image_size=32", f"training.seed={seed}", "training.batch_size=8", *changes]
    recipe = load_recipe("ae_baseline", data=f"folder:{images}", epochs=epochs, set=changes)
    plain = {
        "kind": "run",
        "name": run_name(recipe, BACKEND),
        "backend": BACKEND,
        "recipe": recipe.as_dict(),
        "runs": str(runs),
        "folder": str(runs / "study-tiny"),
        "split": "test",
        "sigmas": sigmas,
    }
    return Job(**plain | job)
