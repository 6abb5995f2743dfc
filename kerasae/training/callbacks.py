"""What happens between the epochs: callbacks, and the loop that calls them, many steps on the device in one call."""

import importlib.util
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import keras
import numpy as np

from kerasae.data.batches import Batches, DeviceFeed, reading_tensorflow
from kerasae.errors import BackendError, RunError, TrainingError
from kerasae.files import replacing
from kerasae.models.steps import compile_loop
from kerasae.training.trainer import averaged


@dataclass(frozen=True)
class Progress:
    """How far training has come: finished epochs, history rows, the best epoch, its value and its weights.

    ``values`` are the trainer's variables after the last of them, where no checkpoint has them.
    """

    epochs_done: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int | None = None
    best_value: float = float("inf")
    best_weights: list[np.ndarray] | None = None
    values: list[np.ndarray] | None = None

    def is_exhausted(self, patience: int | None) -> bool:
        """Return whether the last ``patience`` epochs brought no better one."""
        return patience is not None and self.epochs_done - (self.best_epoch or 0) >= patience


def save_checkpoint(path: Path, trainer, progress: Progress) -> None:
    """Write weights, optimizer, seed generators and ``progress`` to ``path``, atomically.

    Keras' own ``BackupAndRestore`` leaves out the seed generators, so that noise and samples start anew.
    """
    arrays = {f"variable_{index}": value for index, value in enumerate(progress.values)}
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
            history = [dict(row) for row in about["history"]]
            if not all(isinstance(value, int | float) for row in history for value in row.values()):
                raise ValueError("its history is not one of numbers")
            epochs_done, best_value = int(about["epochs_done"]), float(about["best_value"])
            return Progress(epochs_done, history, about["best_epoch"], best_value, best or None)
    except RunError:
        raise
    # NumPy and zipfile let nearly every kind of exception out of a damaged file.
    except Exception as error:
        raise RunError(f"{path} is broken ({error}); start again with --force") from None


def _best_names(stored) -> list[str]:
    return [name for name in stored.files if name.startswith("best_")]


def _variables(trainer) -> list:
    return [*trainer.trainable_variables, *trainer.non_trainable_variables, *trainer.optimizer.variables]


def _values(trainer) -> list[np.ndarray]:
    # Copies: the variables go on changing.
    return [np.array(keras.ops.convert_to_numpy(variable.value)) for variable in _variables(trainer)]


def _paths(trainer) -> list[str]:
    # Names carry counters that depend on what else the process has built; shapes and kinds do not.
    return [f"{variable.dtype}{tuple(variable.shape)}" for variable in _variables(trainer)]


class Reporter:
    """Told of each step; does nothing. The command line draws a progress bar from the same calls."""

    def loading(self, done: int, total: int) -> None:
        """``done`` of ``total`` images are decoded."""

    def begin(self, *, epochs: int, epochs_done: int, steps_per_epoch: int, images: int) -> None:
        """Training begins, or goes on after ``epochs_done`` epochs; ``images`` are trained on in each."""

    def step(self, epoch: int, step: int, terms: Mapping[str, float]) -> None:
        """``step`` steps of ``epoch`` are done, both from 1; ``terms`` are the epoch's means so far."""

    def epoch(self, row: Mapping[str, float]) -> None:
        """An epoch is done; ``row`` is its line in the history."""

    def note(self, message: str) -> None:
        """Something worth a line."""

    def close(self) -> None:
        """Training is over, however it ended."""


class CheckpointCallback(keras.callbacks.Callback):
    """Keeps ``progress`` up to date, and on disk.

    ``best_by`` names the validation metric that chooses the best epoch, never the penalised loss; ``patience`` epochs
    without a better one end training. The checkpoint is
    written where at least ``checkpoint_seconds`` have passed since the last, after the last epoch, and by ``keep``: a
    run resumed from an older one trains the same epochs again to the same bit. ``progress`` is replaced whole, so that
    whatever ends training finds it of one epoch.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        best_by: str,
        path: Path,
        checkpoint_seconds: float,
        images: int,
        patience: int | None = None,
        reporter: Reporter | None = None,
    ):
        super().__init__()
        self.patience = patience
        self.reporter = reporter or Reporter()
        self.progress = progress
        self.best_by = best_by
        self.path = path
        self.checkpoint_seconds = checkpoint_seconds
        self.images = images
        self._last_checkpoint = time.monotonic()
        self._epoch_began = 0.0
        self._training_seconds = 0.0

    def on_epoch_begin(self, epoch, logs=None):
        """Start the clock."""
        self._epoch_began = time.perf_counter()

    def on_test_begin(self, logs=None):
        """Stop the clock: images per second are those of training alone."""
        self._training_seconds = time.perf_counter() - self._epoch_began

    def on_epoch_end(self, epoch, logs=None):
        """Take stock of ``epoch``, counted from 0."""
        self._refuse_non_finite(epoch + 1, logs)
        row = {name: float(value) for name, value in logs.items() if "first_non_finite" not in name}
        seconds = time.perf_counter() - self._epoch_began
        row |= {"seconds": round(seconds, 4), "images_per_second": round(self.images / self._training_seconds, 1)}
        before = self.progress
        best = before.best_epoch, before.best_value, before.best_weights
        if row[self.best_by] < before.best_value:
            with averaged(self.model):
                # Copies: the weights themselves go on changing.
                weights = [weights.copy() for weights in self.model.autoencoder.get_weights()]
            best = epoch + 1, row[self.best_by], weights
        history = [*before.history, {"epoch": epoch + 1} | row]
        self.progress = Progress(epoch + 1, history, *best, _values(self.model))
        is_last = epoch + 1 == self.params["epochs"]
        if is_last or time.monotonic() - self._last_checkpoint >= self.checkpoint_seconds:
            self.keep(self.model)
            self._last_checkpoint = time.monotonic()
        self.reporter.epoch(history[-1])
        if self.progress.is_exhausted(self.patience):
            self.reporter.note(f"no better epoch since {self.progress.best_epoch}: training ends")
            self.model.stop_training = True

    def keep(self, trainer) -> None:
        """Write the checkpoint of the last finished epoch, where it is not on disk already."""
        if self.progress.values is not None:
            save_checkpoint(self.path, trainer, self.progress)
            self.progress = replace(self.progress, values=None)

    def _refuse_non_finite(self, epoch: int, logs) -> None:
        step = int(logs["first_non_finite"])
        if step == 0 and all(math.isfinite(value) for value in logs.values()):
            return
        where = f"at step {step} of epoch {epoch}" if step else f"in the validation after epoch {epoch}"
        kept = (
            f"the weights of epoch {self.progress.best_epoch}, the best so far, are kept"
            if self.progress.best_weights
            else "no epoch was finished, so there are no weights to keep"
        )
        rate = _smaller(float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate)))
        raise TrainingError(
            f"the loss stopped being a finite number {where}; {kept}; try a smaller learning rate, "
            f"--set training.learning_rate={rate:g}, or --set training.clip_norm=1.0"
        )


def _smaller(rate: float) -> float:
    """Return a learning rate to try after one that made the loss infinite: a tenth, and never above Adam's usual."""
    return float(f"{min(rate / 10, 1e-3):.0e}") if rate > 0 else 1e-4


def refuse_without_tensorboard() -> None:
    """Raise ``BackendError`` where TensorFlow, which writes the log, or the package tensorboard is not installed."""
    missing = [name for name in ("tensorflow", "tensorboard") if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(
            f"--tensorboard writes its log with TensorFlow and the package tensorboard, on every backend, and "
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed; install with: "
            f"pip install {' '.join(missing)}, or train without --tensorboard"
        )


class EpochScalars(keras.callbacks.Callback):
    """Logs every epoch's terms to ``folder``, in ``train`` and ``validation``; no graph, no histograms, no profile.

    Steps are epochs, counted from 1 as in ``history.csv``. A resumed run adds files to the same folder, which
    TensorBoard reads as one.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._summary = reading_tensorflow().summary
        self._writers = {
            split: self._summary.create_file_writer(str(folder / split)) for split in ("train", "validation")
        }

    def on_epoch_end(self, epoch, logs=None):
        """Log ``epoch``, counted from 0, and put it on disk: a run may be killed, or looked at, at any time."""
        for name, value in (logs or {}).items():
            if "first_non_finite" not in name:
                split = "validation" if name.startswith("val_") else "train"
                with self._writers[split].as_default():
                    self._summary.scalar(f"epoch_{name.removeprefix('val_')}", float(value), step=epoch + 1)
        for writer in self._writers.values():
            writer.flush()


# === The loop that calls them ===


# Calls are as long as this, so that the progress shows and Ctrl-C is heard.
_SECONDS_PER_CALL = 0.5
_BATCH_HOOKS = ("on_batch_begin", "on_batch_end", "on_train_batch_begin", "on_train_batch_end")


class EpochLoop:
    """Trains a compiled ``trainer`` epoch by epoch, as its ``fit`` does, in calls of many steps.

    What a step does, to the bit, does not depend on how many of them a call holds: ``steps_per_call``, or as many as
    take about half a second.
    """

    def __init__(
        self,
        trainer: keras.Model,
        training: DeviceFeed,
        validation: DeviceFeed | None = None,
        *,
        steps_per_call: int | None = None,
    ):
        self.trainer = trainer
        self.training = training
        self.validation = validation
        self._train = compile_loop(trainer, training=True)
        self._test = compile_loop(trainer, training=False)
        self._adapts = steps_per_call is None
        self._steps_per_call = steps_per_call or 1

    def run(
        self,
        *,
        epochs: int,
        first_epoch: int = 0,
        callbacks: Sequence[keras.callbacks.Callback] = (),
        reporter: Reporter | None = None,
        may_stop: bool = True,
    ) -> None:
        """Train from ``first_epoch``, counted from 0, to ``epochs``, or until a callback sets ``stop_training``.

        A callback with hooks for batches gets a call for each step. ``may_stop`` is not for one of several processes:
        an epoch then goes on to its end when the loss is no number any more.
        """
        reporter = reporter or Reporter()
        hooks = keras.callbacks.CallbackList(
            list(callbacks), model=self.trainer, epochs=epochs, steps=self.training.steps, verbose=0
        )
        with_batches = [one for one in callbacks if wants_batches(one)]
        if with_batches:
            names = ", ".join(type(one).__name__ for one in with_batches)
            reporter.note(f"one step at a time, which is slower, for what {names} does between batches")
        batch_hooks = hooks if with_batches else None
        self.trainer.stop_training = False
        hooks.on_train_begin()
        logs = {}
        for epoch in range(first_epoch, epochs):
            hooks.on_epoch_begin(epoch)
            logs = self.train_epoch(epoch, reporter=reporter, may_stop=may_stop, batch_hooks=batch_hooks)
            if not (may_stop and logs["first_non_finite"]):
                hooks.on_test_begin()
                with averaged(self.trainer):
                    tested = self.validate()
                hooks.on_test_end(tested)
                logs |= {f"val_{name}": value for name, value in tested.items()}
            hooks.on_epoch_end(epoch, logs)
            if self.trainer.stop_training:
                break
        hooks.on_train_end(logs)

    def train_epoch(
        self, epoch: int, *, reporter: Reporter | None = None, may_stop: bool = True, batch_hooks=None
    ) -> dict[str, float]:
        """Train one epoch, counted from 0; return the means of its terms, once the device is through with it."""
        self.trainer.reset_metrics()
        done, logs = 0, {}
        for batches in self.training.epoch(epoch):
            for start, stop in self._calls(batches.steps, one_by_one=batch_hooks is not None):
                if batch_hooks:
                    batch_hooks.on_train_batch_begin(done)
                logs = self._timed(batches, start, stop)
                done += stop - start
                if batch_hooks:
                    batch_hooks.on_train_batch_end(done - 1, logs)
                if reporter:
                    reporter.step(epoch + 1, done, logs)
                if may_stop and (logs["first_non_finite"] or self.trainer.stop_training):
                    return logs
        return logs

    def validate(self) -> dict[str, float]:
        """Return the means of the terms over the validation images."""
        self.trainer.reset_metrics()
        for batches in self.validation.epoch(0):
            for start, stop in self._calls(batches.steps, one_by_one=False):
                logs = _numbers(self._test(batches, start, stop))
        return logs

    def _calls(self, steps: int, one_by_one: bool) -> Iterator[tuple[int, int]]:
        start = 0
        while start < steps:
            stop = min(steps, start + (1 if one_by_one else self._steps_per_call))
            yield start, stop
            start = stop

    def _timed(self, batches: Batches, start: int, stop: int) -> dict[str, float]:
        """Take the steps, wait for them, and settle how many the next calls take: the first of all compiles."""
        began = time.perf_counter()
        logs = _numbers(self._train(batches, start, stop))
        if self._adapts and stop - start == self._steps_per_call:
            fitting = int(self._steps_per_call * _SECONDS_PER_CALL / (time.perf_counter() - began))
            self._steps_per_call = max(1, min(fitting, 4 * self._steps_per_call))
        return logs


def _numbers(logs) -> dict[str, float]:
    return {name: float(keras.ops.convert_to_numpy(value)) for name, value in logs.items()}


def wants_batches(callback: keras.callbacks.Callback) -> bool:
    """Return whether ``callback`` does something at the beginning or the end of a batch."""
    # Keras' own have such hooks always and do nothing in them where they look at epochs.
    if isinstance(callback, keras.callbacks.ModelCheckpoint) and callback.save_freq == "epoch":
        return False
    base = keras.callbacks.Callback
    return any(getattr(getattr(callback, name), "__func__", None) is not getattr(base, name) for name in _BATCH_HOOKS)
