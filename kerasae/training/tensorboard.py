"""Training as TensorBoard shows it."""

import importlib.util
from pathlib import Path

import keras

from kerasae.errors import BackendError


def refuse_without_tensorboard() -> None:
    """Raise ``BackendError`` where TensorFlow, which writes the log, or the package tensorboard is not installed."""
    missing = [name for name in ("tensorflow", "tensorboard") if importlib.util.find_spec(name) is None]
    if missing:
        raise BackendError(
            f"--tensorboard writes its log with TensorFlow and the package tensorboard, on every backend, and "
            f"{' and '.join(missing)} {'are' if len(missing) > 1 else 'is'} not installed; install with: "
            f"pip install {' '.join(missing)}, or train without --tensorboard"
        )


class EpochScalars(keras.callbacks.TensorBoard):
    """Logs every epoch's terms to ``folder``, in ``train`` and ``validation``; no graph, no histograms, no profile.

    Steps are epochs, counted from 1 as in ``history.csv``. A resumed run adds files to the same folder, which
    TensorBoard reads as one.
    """

    # With one entry an epoch, nothing that Keras calls from a thread of its own touches the model or a writer.
    async_safe = True

    def __init__(self, folder: Path):
        super().__init__(log_dir=str(folder), write_graph=False, update_freq="epoch", profile_batch=0)
        # TensorFlow is told there to leave the GPUs to the backend, before anything starts it.
        import kerasae.data.pipeline  # noqa: F401

    def on_test_end(self, logs=None):
        """Log the validation by optimiser step, but for what only watches over the loss."""
        super().on_test_end(_terms(logs))

    def on_epoch_end(self, epoch, logs=None):
        """Log ``epoch``, counted from 0, and put it on disk: a run may be killed, or looked at, at any time."""
        super().on_epoch_end(epoch + 1, _terms(logs))
        for writer in self._writers.values():
            writer.flush()


def _terms(logs):
    return {name: value for name, value in (logs or {}).items() if "first_non_finite" not in name}
