"""What happens at the end of an epoch: history, best weights, checkpoint, and the end of a hopeless run."""

import math
import time
from pathlib import Path

import keras

from kerasae.errors import TrainingError
from kerasae.training.checkpoint import Progress, save_checkpoint


class Keeper(keras.callbacks.Callback):
    """Keeps ``progress`` up to date and on disk.

    ``best_by`` names the validation metric that chooses the best epoch, never the penalised loss. The checkpoint is
    written where at least ``checkpoint_seconds`` have passed since the last, and after the last epoch: a run resumed
    from an older one trains the same epochs again to the same bit.
    """

    def __init__(self, progress: Progress, *, best_by: str, path: Path, checkpoint_seconds: float, images: int):
        super().__init__()
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
        # JAX and GPUs take steps on faster than they finish them; to read a weight is to wait for the last one.
        keras.ops.convert_to_numpy(self.model.trainable_variables[-1])
        self._training_seconds = time.perf_counter() - self._epoch_began

    def on_epoch_end(self, epoch, logs=None):
        """Take stock of ``epoch``, counted from 0."""
        self._refuse_non_finite(epoch + 1, logs)
        row = {name: float(value) for name, value in logs.items() if "first_non_finite" not in name}
        seconds = time.perf_counter() - self._epoch_began
        row |= {"seconds": round(seconds, 4), "images_per_second": round(self.images / self._training_seconds, 1)}
        progress = self.progress
        progress.epochs_done = epoch + 1
        progress.history.append({"epoch": epoch + 1} | row)
        if row[self.best_by] < progress.best_value:
            progress.best_epoch, progress.best_value = epoch + 1, row[self.best_by]
            # A copy: the weights themselves go on changing.
            progress.best_weights = [weights.copy() for weights in self.model.compressor.get_weights()]
        is_last = progress.epochs_done == self.params["epochs"]
        if is_last or time.monotonic() - self._last_checkpoint >= self.checkpoint_seconds:
            save_checkpoint(self.path, self.model, progress)
            self._last_checkpoint = time.monotonic()

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
        rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))
        raise TrainingError(
            f"the loss stopped being a finite number {where}; {kept}; try a learning rate below {rate:g} "
            "(--set training.learning_rate=…) or --set training.clip_norm=1.0"
        )
