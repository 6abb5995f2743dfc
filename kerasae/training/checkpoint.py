"""Everything that decides how training goes on, in one file."""

import json
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kerasae.errors import RunError
from kerasae.files import replacing


@dataclass
class Progress:
    """How far training has come: finished epochs, history rows, the best epoch, its value and its weights."""

    epochs_done: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    best_value: float = float("inf")
    best_weights: list[np.ndarray] | None = None


def save_checkpoint(path: Path, trainer, progress: Progress) -> None:
    """Write weights, optimizer, seed generators and ``progress`` to ``path``, atomically.

    Keras' own ``BackupAndRestore`` leaves out the seed generators, so that noise and samples start anew.
    """
    arrays = {f"variable_{index}": np.asarray(value) for index, value in enumerate(_values(trainer))}
    for index, weights in enumerate(progress.best_weights or []):
        arrays[f"best_{index}"] = weights
    about = {
        "paths": _paths(trainer),
        "epochs_done": progress.epochs_done,
        "history": progress.history,
        "best_epoch": progress.best_epoch,
        "best_value": progress.best_value,
    }
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez(file, about=np.frombuffer(json.dumps(about).encode(), "uint8"), **arrays)


def load_checkpoint(path: Path, trainer) -> Progress:
    """Restore ``trainer`` from ``path`` and return the progress; raises ``RunError`` if it is broken or another's."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            if about["paths"] != _paths(trainer):
                raise RunError(
                    f"{path} does not fit the model of its recipe; it was written by another version of kerasae or "
                    "Keras; start again with --force"
                )
            for index, variable in enumerate(_variables(trainer)):
                variable.assign(stored[f"variable_{index}"])
            best = [stored[name] for name in sorted(_best_names(stored), key=lambda name: int(name[5:]))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} is broken ({error}); start again with --force") from None
    return Progress(about["epochs_done"], about["history"], about["best_epoch"], about["best_value"], best or None)


def _best_names(stored) -> list[str]:
    return [name for name in stored.files if name.startswith("best_")]


def _variables(trainer) -> list:
    return [*trainer.trainable_variables, *trainer.non_trainable_variables, *trainer.optimizer.variables]


def _values(trainer) -> list[np.ndarray]:
    import keras

    return [keras.ops.convert_to_numpy(variable.value) for variable in _variables(trainer)]


def _paths(trainer) -> list[str]:
    # Names carry counters that depend on what else the process has built; shapes and kinds do not.
    return [f"{variable.dtype}{tuple(variable.shape)}" for variable in _variables(trainer)]
