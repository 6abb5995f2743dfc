"""Contenders, measured in turn."""

import importlib.util
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from kerasae.bench.result import MODELS, PLAIN, TASKS, BenchResult, Measurement, least_bytes_per_step, paired_ratios
from kerasae.bench.session import Session
from kerasae.errors import BackendError, ModelError
from kerasae.runtime import BACKENDS, installed_backends, versions

BATCH_SIZE = 128
# Eight whole batches of the photos' crops: no step of another shape, and an epoch that takes about a second.
_IMAGES = 1024


def run_bench(
    *,
    models: Sequence[str] = MODELS,
    backends: Sequence[str] | None = None,
    rounds: int = 3,
    seconds_per_round: float = 8.0,
    images: np.ndarray | None = None,
    on_progress: Callable[[str], None] | None = None,
) -> BenchResult:
    """Measure the speed of training and of evaluation, of kerasae on each backend and of a plain PyTorch loop.

    Every contender has a process of its own, which is warmed up first; in each round they take turns of
    ``seconds_per_round`` seconds. ``images`` is uint8 ``(count, height, width, channels)``, else 1,024 crops of photos.
    ``backends`` takes some of those installed. ``on_progress`` is told in words what is being measured.

    Raises ``BackendError`` for a name that is not a backend, for one that fails and where none is installed,
    ``ModelError`` for a model other than ``ae`` and ``vae``.
    """
    _refuse_unknown(models, backends)
    images = _photos() if images is None else images
    names, left_out = _contenders(backends)
    say = on_progress or (lambda message: None)
    batch_size = min(BATCH_SIZE, len(images))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        sessions = [stack.enter_context(Session(name, path, batch_size)) for name in names]
        found = []
        for model in models:
            found += _measure(model, sessions, rounds, seconds_per_round, batch_size * images[0].size, say)
    return BenchResult(
        images=len(images),
        image_shape=images.shape[1:],
        batch_size=batch_size,
        seconds_per_round=seconds_per_round,
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        versions=versions("kerasae", "keras", *BACKENDS, "scikit-image", "numpy"),
        measurements=tuple(found),
        left_out=left_out,
        ratios=paired_ratios(tuple(found)),
    )


def _measure(model, sessions, rounds, seconds, batch_bytes, say) -> list[Measurement]:
    facts = {}
    for session in sessions:
        say(f"{model}: warming up {session.name}")
        facts[session.name] = session.ask(do="prepare", model=model)
    speeds = {(task, session.name): [] for task in TASKS for session in sessions}
    for task in TASKS:
        for turn in range(rounds):
            for session in sessions:
                speed = session.ask(do="measure", task=task, seconds=seconds)["images_per_second"]
                speeds[task, session.name].append(speed)
                say(f"{model}: {task}, round {turn + 1} of {rounds}, {session.name}: {speed:,.0f} images/s")
    return [
        Measurement(
            contender=name,
            model=model,
            task=task,
            images_per_second=tuple(values),
            least_bytes_per_step=least_bytes_per_step(facts[name]["parameters"], batch_bytes) if task == "train" else 0,
            **facts[name],
        )
        for (task, name), values in speeds.items()
    ]


def _contenders(backends: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    installed = installed_backends()
    wanted = list(BACKENDS) if backends is None else list(backends)
    left_out = {name: "not installed" for name in wanted if name not in installed}
    names = [name for name in wanted if name in installed]
    if not names:
        raise BackendError(
            f"of {', '.join(wanted)}, none is installed; install one, such as: pip install 'kerasae[jax]'"
        )
    if importlib.util.find_spec("torch") is None:
        return names, left_out | {PLAIN: "PyTorch is not installed, so there are no ratios; pip install torch"}
    return [PLAIN, *names], left_out


def _photos() -> np.ndarray:
    from kerasae.data import load_images
    from kerasae.recipe import PhotosData

    return np.array(load_images(PhotosData()).images[:_IMAGES])


def _refuse_unknown(models: Sequence[str], backends: Sequence[str] | None) -> None:
    for name in models:
        if name not in MODELS:
            raise ModelError(f"{name!r} is not a model of the bench; it is one of {', '.join(MODELS)}")
    for name in backends or ():
        if name not in BACKENDS:
            raise BackendError(f"{name!r} is not a backend; it is one of {', '.join(BACKENDS)}")
