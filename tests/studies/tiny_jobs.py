"""Jobs that take seconds."""

from kerasae.recipes import load_recipe
from kerasae.studies.plan import Job
from kerasae.training.run import run_name
from tests.conftest import BACKEND


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
