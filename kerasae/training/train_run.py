"""``Recipe`` → trained run."""

import csv
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import keras
import numpy as np

from kerasae.data import ImageSet, load_images, split_indices
from kerasae.data.batches import Feed
from kerasae.data.sources import save_given
from kerasae.errors import RunError, TrainingError
from kerasae.files import replacing, write_text, writing
from kerasae.models import Autoencoder, build_model
from kerasae.models.build import code_of, code_reference, refuse_untrusted
from kerasae.models.checks import check_sides
from kerasae.recipes import ArrayData, Recipe, fingerprint, to_toml
from kerasae.recipes.section import CodeModel
from kerasae.records import RunRecord
from kerasae.runtime import ENDING_SIGNALS, ending_on_signals, load_tensorflow_quietly, versions
from kerasae.training.callbacks import (
    CheckpointCallback,
    EpochLoop,
    EpochScalars,
    Progress,
    Reporter,
    load_checkpoint,
    refuse_without_tensorboard,
)
from kerasae.training.devices import OneDevice, choose_devices
from kerasae.training.run import IMAGES, Run, load_run, locked, run_name, runs_folder
from kerasae.training.trainer import best_by, build_trainer, objective_sentence

# What training goes on from: who trained on which images, and the checkpoint.
_STATE = ("run.json", "state/checkpoint.npz")


@contextmanager
def locked_run_folder(folder: Path, devices: OneDevice, *, force: bool) -> Iterator[Path]:
    """Yield ``folder``, locked, and with ``force`` emptied; to all but the first process a folder for the time being.

    That one begins with the first process's checkpoint: processes need not share a disk, and only one writes the run.
    Raises ``RunError`` where another training holds the folder.
    """
    with ExitStack() as held:
        own = devices.together(lambda: _hold(held, folder, devices.is_first, force))
        if devices.processes > 1:
            for name in _STATE:
                content = devices.first_says(lambda path=own / name: path.read_bytes() if path.is_file() else b"")
                if content and not devices.is_first:
                    (own / name).parent.mkdir(exist_ok=True)
                    (own / name).write_bytes(content)
        yield own


def _hold(held: ExitStack, folder: Path, is_first: bool, force: bool) -> Path:
    if not is_first:
        folder = Path(held.enter_context(TemporaryDirectory(prefix="kerasae-"))) / folder.name
    held.enter_context(locked(folder))
    if force:
        with writing(folder):
            _empty(folder)
    return folder


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name != ".lock":
            shutil.rmtree(path) if path.is_dir() else path.unlink()


# What the start of an entropy model is taken from.
_START_IMAGES = 64
# In a call of several processes, which must not go by their own clocks.
_STEPS_TOGETHER = 16


def train(
    recipe: Recipe,
    *,
    runs: str | Path | None = None,
    folder: Path | None = None,
    force: bool = False,
    reporter: Reporter | None = None,
    tensorboard: bool = False,
    images: ImageSet | None = None,
    model: Autoencoder | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Run:
    """Train ``recipe`` and return its run.

    ``images`` and ``model`` are trained on, and trained, in the place of those that the recipe names; a ``model`` has
    the weights of the best epoch afterwards. ``callbacks`` are Keras' own or yours, called after ours.

    The run lies in the folder of ``runs`` that recipe, backend and seed name, or in ``folder``. A finished one is
    returned as it is; one that was stopped goes on after its last finished epoch, one that was killed where its last
    checkpoint was, to the same bits as if it had never stopped. ``force`` starts from nothing. ``tensorboard`` logs
    every epoch to the run's folder ``tensorboard`` and changes nothing in the result.

    Raises ``BackendError`` where ``training.devices`` cannot be had or ``tensorboard`` lacks a package, ``DataError``
    for images that cannot be had, ``RunError`` for a folder that is in use or broken and for a run of other images,
    ``FileError`` where the folder cannot be written to, ``TrainingError`` where the loss stops being finite. What ends
    training, be it Ctrl-C (``KeyboardInterrupt``), SIGTERM or SIGHUP (``SystemExit``), passes through after the last
    finished epoch is kept and the run marked as stopped.

    Several processes (``KERAS_DISTRIBUTION_…``) each call this with the same recipe; the first writes the run, and
    what one of them is refused, all are.
    """
    reporter = reporter or Reporter()
    if tensorboard:
        refuse_without_tensorboard()
    devices = choose_devices(recipe)
    folder = folder or runs_folder(runs) / run_name(recipe, keras.backend.backend())
    with devices.watch(), ending_on_signals(signal.SIGINT, *ENDING_SIGNALS):
        return _train_on(devices, recipe, folder, force, reporter, tensorboard, images, model, callbacks)


def _train_on(
    devices: OneDevice,
    recipe: Recipe,
    folder: Path,
    force: bool,
    reporter: Reporter,
    tensorboard: bool,
    images: ImageSet | None,
    model: Autoencoder | None,
    callbacks: Sequence[keras.callbacks.Callback],
) -> Run:
    devices.agree("run", f"{folder.name}{' with --force' if force else ''}")

    def is_finished() -> bool:
        return bool(devices.first_says(lambda: b"finished" if not force and _finished(folder) else b""))

    if not is_finished() and model is None and isinstance(recipe.model, CodeModel):
        refuse_untrusted(code_reference(recipe.model))
    # Images first: a source that is missing leaves no folder behind, and one that has changed does not go unnoticed.
    if images is None:
        images = devices.together(lambda: load_images(recipe.data, progress=reporter.loading))
    devices.agree("fingerprint of the images", images.fingerprint)
    if images.skipped:
        reporter.note(f"{len(images.skipped):,} files left out, the first: {images.skipped[0]}")
    for remark in images.remarks:
        reporter.note(remark)
    if is_finished():
        return _trained_already(Run(folder), images, model, reporter, devices)
    splits = devices.together(lambda: split_indices(images, recipe.data))
    start = None
    if (name := recipe.training.start_from) is not None:
        start = devices.together(lambda: load_run(name, folder.parent))
    with locked_run_folder(folder, devices, force=force) as own, devices.scope():
        # Asked again: another process may have finished it before the folder was ours.
        if is_finished():
            return _trained_already(Run(folder), images, model, reporter, devices)
        _train(recipe, own, images, splits, reporter, devices, tensorboard, model, callbacks, start)
    return Run(folder)


def _finished(folder: Path) -> bool:
    return (folder / "run.json").is_file() and Run(folder).is_finished


def _trained_already(run: Run, images: ImageSet, model: Autoencoder | None, reporter: Reporter, devices) -> Run:
    devices.together(lambda: devices.is_first and run.refuse_other_images(images))
    reporter.note(f"{run.name} is trained already; --force trains it again")
    if model is not None:
        model.set_weights(run.load_model().get_weights())
    return run


def _train(
    recipe: Recipe,
    folder: Path,
    images: ImageSet,
    splits,
    reporter: Reporter,
    devices: OneDevice,
    tensorboard: bool,
    model: Autoencoder | None,
    callbacks: Sequence[keras.callbacks.Callback],
    start: Run | None,
) -> None:
    training, run = recipe.training, Run(folder)
    feed = Feed(images.images, splits["train"], batch_size=training.batch_size, seed=training.seed)
    held_out = Feed(images.images, splits["validation"], batch_size=training.batch_size)
    if model is None:
        model = build_model(recipe, image_shape=tuple(images.images.shape[1:]))
    check_sides(model, images.images.shape[1:])
    trainer = build_trainer(recipe, steps_per_epoch=feed.steps, model=model)
    checkpoint = folder / "state" / "checkpoint.npz"
    progress = Progress()
    record = _new_record(recipe, folder.name, trainer.autoencoder, images, splits, devices)
    if checkpoint.is_file():
        run.refuse_other_images(images, counts=record.image_counts)
        progress = load_checkpoint(checkpoint, trainer)
        reporter.note(f"{folder.name} goes on after epoch {progress.epochs_done}")
    elif start is not None:
        begin_with(model, start)
    else:
        trainer.autoencoder.initialize_from(images.images[np.sort(splits["train"])[:_START_IMAGES]])
    write_text(folder / "recipe.toml", to_toml(recipe))
    if isinstance(recipe.data, ArrayData):
        save_given(folder / IMAGES, images, splits)
    run = run.write_record(replace(record, epochs_done=progress.epochs_done))
    checkpointing = CheckpointCallback(
        progress,
        best_by=best_by(recipe, model),
        path=checkpoint,
        checkpoint_seconds=training.checkpoint_seconds,
        images=len(splits["train"]),
        patience=training.patience,
        reporter=reporter,
    )
    logs = [EpochScalars(folder / "tensorboard")] if tensorboard else []
    status, message = "stopped", ""
    try:
        if progress.epochs_done < training.epochs and not progress.is_exhausted(training.patience):
            reporter.begin(
                epochs=training.epochs,
                epochs_done=progress.epochs_done,
                steps_per_epoch=feed.steps,
                images=len(splits["train"]),
            )
            loop = EpochLoop(
                trainer,
                devices.bring(feed, recipe),
                devices.bring(held_out, recipe),
                steps_per_call=None if devices.processes == 1 else _STEPS_TOGETHER,
            )
            loop.run(
                epochs=training.epochs,
                first_epoch=progress.epochs_done,
                callbacks=[checkpointing, *logs, *callbacks],
                reporter=reporter,
                may_stop=devices.processes == 1,
            )
        status = "finished"
    except TrainingError as error:
        status, message = "failed", str(error)
        raise
    finally:
        _leave(run, trainer, checkpointing, status, message)


def begin_with(model: Autoencoder, run: Run) -> None:
    """Give ``model`` the weights of ``run``; raises ``RunError`` where one of them has another shape."""
    others = run.load_model()
    mine, theirs = ([(one.path, tuple(one.shape)) for one in each.variables] for each in (model, others))
    for (path, shape), (other_path, other_shape) in zip_longest(mine, theirs, fillvalue=("nothing", ())):
        if shape != other_shape:
            raise RunError(
                f"{run.name} cannot be started from: where this model has {path} {shape}, it has {other_path} "
                f"{other_shape}; start from a run with the same [model] and data.channels"
            )
    model.set_weights(others.get_weights())


def _leave(run: Run, trainer, checkpointing: CheckpointCallback, status: str, message: str) -> None:
    """Write what is known when training ends, however it ends."""
    progress = checkpointing.progress
    if status == "stopped":
        checkpointing.keep(trainer)
    _write_history(run.folder / "history.csv", progress.history)
    if progress.best_weights is not None and status != "stopped":
        trainer.autoencoder.set_weights(progress.best_weights)
        trainer.autoencoder.finalize()
        load_tensorflow_quietly()
        with replacing(run.folder / "model.keras") as partial:
            trainer.autoencoder.save(partial)
        # The same file as Keras would write; but on a full disk HDF5, left to write by itself, ends the process.
        with ZipFile(run.folder / "model.keras") as model, replacing(run.folder / "best.weights.h5") as partial:
            partial.write_bytes(model.read("model.weights.h5"))
    seconds = sum(row["seconds"] for row in progress.history)
    speeds = sorted(row["images_per_second"] for row in progress.history)
    run.write_record(
        replace(
            run.record,
            status=status,
            message=message,
            epochs_done=progress.epochs_done,
            best_epoch=progress.best_epoch,
            training_seconds=round(seconds, 2),
            images_per_second=speeds[len(speeds) // 2] if speeds else 0.0,
        )
    )
    if status == "finished":
        shutil.rmtree(run.folder / "state", ignore_errors=True)


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    if not history:
        return
    with replacing(path) as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(history[0]))
        writer.writeheader()
        writer.writerows(history)


def _new_record(recipe: Recipe, name: str, autoencoder, images: ImageSet, splits, devices: OneDevice) -> RunRecord:
    backend = keras.backend.backend()
    packages = ("kerasae", "keras", backend, "numpy", "scikit-image", "pillow")
    return RunRecord(
        name=name,
        status="training",
        recipe_name=recipe.name,
        fingerprint=fingerprint(recipe),
        seed=recipe.training.seed,
        backend=backend,
        device=devices.describe(),
        versions={"python": sys.version.split()[0]} | versions(*packages),
        data_fingerprint=images.fingerprint,
        image_counts={split: len(indexes) for split, indexes in splits.items()},
        parameters=autoencoder.count_params(),
        latent_ratio=autoencoder.latent_ratio,
        objective=objective_sentence(recipe, autoencoder),
        extra=devices.as_dict() | ({"code": code} if (code := code_of(autoencoder)) else {}),
    )
