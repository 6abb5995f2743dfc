"""Training: a recipe becomes a run."""

from importlib import import_module

from kerasae.training.run import Run as Run

# Looking at runs needs neither Keras nor a backend; training does, and is loaded when it is asked for.
from kerasae.training.run import list_runs as list_runs
from kerasae.training.run import load_run as load_run
from kerasae.training.run import runs_folder as runs_folder
from kerasae.training.run import shipped_runs as shipped_runs

_LAZY = {"train": "train_run", "Trainer": "trainer", "build_trainer": "trainer", "Reporter": "callbacks"}


def __getattr__(name: str):
    if name not in _LAZY:
        raise AttributeError(f"module 'kerasae.training' has no attribute {name!r}")
    return getattr(import_module(f"kerasae.training.{_LAZY[name]}"), name)
