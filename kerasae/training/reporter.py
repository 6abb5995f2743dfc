"""Who is told how training goes."""

from collections.abc import Mapping

import keras


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


class Announcer(keras.callbacks.Callback):
    """Passes what ``fit`` reports to a ``Reporter``, and ends an epoch whose loss is no number any more.

    Not so without ``may_stop``: where one of several processes stops by itself, the others wait for its next step.
    """

    # Reading the terms waits for the accelerator; Keras then calls from a thread of its own while steps go on.
    async_safe = True

    def __init__(self, reporter: Reporter, history: list[dict[str, float]], *, may_stop: bool = True):
        super().__init__()
        self.may_stop = may_stop
        self.reporter = reporter
        self.history = history
        self._epoch = 0
        self._trainer = None

    def set_model(self, model):
        """Keep the trainer at hand.

        On JAX the property ``model`` fetches the training state first; from Keras' callback thread that would race the
        next step, which gives the buffers of that state away.
        """
        super().set_model(model)
        self._trainer = model

    def on_epoch_begin(self, epoch, logs=None):
        """Remember which epoch the steps are of."""
        self._epoch = epoch + 1

    def on_train_batch_end(self, batch, logs=None):
        """Report a step."""
        if self.may_stop and logs and logs["first_non_finite"]:
            self._trainer.stop_training = True
        self.reporter.step(self._epoch, batch + 1, logs or {})

    def on_epoch_end(self, epoch, logs=None):
        """Report an epoch; the keeper, called before, has written its row."""
        self.reporter.epoch(self.history[-1])
