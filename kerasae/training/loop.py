"""Epochs on the device: many steps in one call, and Keras' callbacks between the epochs."""

import time
from collections.abc import Iterator, Sequence

import keras

from kerasae.data.batches import Batches, DeviceFeed
from kerasae.models.steps import compile_loop
from kerasae.training.callbacks import Reporter
from kerasae.training.trainer import averaged

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
