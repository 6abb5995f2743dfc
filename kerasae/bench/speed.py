"""Speed in rounds: of training and evaluation on each backend beside a plain PyTorch loop, and of a codec.

``measure_speed`` starts a process of ``kerasae.bench.contenders`` for each contender, asks them in turns, and returns a
``SpeedResult``; ``speed_table`` shows it. Loads no Keras itself.
"""

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import IO

import numpy as np
from rich.table import Table

from kerasae.codec import Codec, compress_files, decompress_files
from kerasae.codec.files import read_packed
from kerasae.data import write_image
from kerasae.errors import BackendError, ModelError
from kerasae.rate_distortion.classical import classical_codec
from kerasae.reports.tables import plain_table
from kerasae.runtime import BACKENDS, installed_backends, versions

PLAIN = "plain"
TASKS = {"train": "training", "evaluate": "evaluation"}
MODELS = ("ae", "vae")
BATCH_SIZE = 128
# Eight whole batches of the photos' crops: no step of another shape, and an epoch that takes about a second.
_IMAGES = 1024


@dataclass(frozen=True)
class Measurement:
    """The speed of one contender at one task, in images per second, one number per round.

    ``contender``: ``plain`` or a backend. ``model``: ``ae`` or ``vae``. ``task``: ``train`` or ``evaluate``.
    ``device`` is what it ran on. ``least_bytes_per_step``: what a training step has to read and write at the least
    (weights, gradients, Adam's moments, the batch; no activations); divide it by the batch and multiply by the speed
    for bytes per second. 0 for evaluation.
    """

    contender: str
    model: str
    task: str
    images_per_second: tuple[float, ...]
    device: str = ""
    parameters: int = 0
    least_bytes_per_step: int = 0


@dataclass(frozen=True)
class SpeedResult:
    """All measurements; ``left_out`` says of each contender that is missing why.

    ``images`` of shape ``image_shape`` (height, width, channels) were trained on in batches of ``batch_size``.
    ``ratios`` holds, by ``"task/model/contender"``, the speed divided by that of the plain loop in the same round; it
    is empty where there was no plain loop.
    """

    images: int
    image_shape: tuple[int, int, int]
    batch_size: int
    seconds_per_round: float
    processors: int
    versions: dict[str, str]
    measurements: tuple[Measurement, ...]
    left_out: dict[str, str]
    ratios: dict[str, tuple[float, ...]] = field(default_factory=dict)


def measure_speed(
    *,
    models: Sequence[str] = MODELS,
    backends: Sequence[str] | None = None,
    rounds: int = 3,
    seconds_per_round: float = 8.0,
    images: np.ndarray | None = None,
    on_progress: Callable[[str], None] = lambda message: None,
) -> SpeedResult:
    """Measure the speed of training and of evaluation, of kerasae on each backend and of a plain PyTorch loop.

    Every contender has a process of its own, which is warmed up first; in each round they take turns of
    ``seconds_per_round`` seconds. ``images`` is uint8 ``(count, height, width, channels)``, else 1,024 crops of photos.
    ``backends`` takes some of those installed. ``on_progress`` gets a line for each measurement.

    Raises ``BackendError`` for a name that is not a backend, for one that fails and where none is installed,
    ``ModelError`` for a model other than ``ae`` and ``vae``.
    """
    for name in models:
        if name not in MODELS:
            raise ModelError(f"{name!r} is not a model of the bench; it is one of {', '.join(MODELS)}")
    names, left_out = _contenders(backends)
    images = _photos() if images is None else images
    batch_size = min(BATCH_SIZE, len(images))
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        processes = [stack.enter_context(ContenderProcess(name, path, batch_size)) for name in names]
        found = []
        for model in models:
            found += _measure(model, processes, rounds, seconds_per_round, batch_size * images[0].size, on_progress)
    return SpeedResult(
        images=len(images),
        image_shape=images.shape[1:],
        batch_size=batch_size,
        seconds_per_round=seconds_per_round,
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        versions=versions("kerasae", "keras", *BACKENDS, "scikit-image", "numpy"),
        measurements=tuple(found),
        left_out=left_out,
        ratios=paired_ratios(found),
    )


def _contenders(backends: Sequence[str] | None) -> tuple[list[str], dict[str, str]]:
    installed = installed_backends()
    wanted = list(BACKENDS) if backends is None else list(backends)
    for name in wanted:
        if name not in BACKENDS:
            raise BackendError(f"{name!r} is not a backend; it is one of {', '.join(BACKENDS)}")
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
    from kerasae.recipes import PhotosData

    return np.array(load_images(PhotosData()).images[:_IMAGES])


def _measure(model, processes, rounds, seconds, batch_bytes, on_progress) -> list[Measurement]:
    facts = {}
    for process in processes:
        on_progress(f"{model}: warming up {process.name}")
        facts[process.name] = process.ask(do="prepare", model=model)
    measurements = []
    for task in TASKS:
        speeds = {process.name: [] for process in processes}
        for turn in range(rounds):
            for process in processes:
                speed = process.ask(do="measure", task=task, seconds=seconds)["images_per_second"]
                speeds[process.name].append(speed)
                on_progress(f"{model}: {task}, round {turn + 1} of {rounds}, {process.name}: {speed:,.0f} images/s")
        for name, values in speeds.items():
            least = least_bytes_per_step(facts[name]["parameters"], batch_bytes) if task == "train" else 0
            found = Measurement(name, model, task, tuple(values), least_bytes_per_step=least, **facts[name])
            measurements.append(found)
    return measurements


def images_per_second(work: Callable[[], object], images: int, seconds: float) -> float:
    """Call ``work``, which goes through ``images`` images, at least once and for ``seconds``; return the speed."""
    began, done = time.perf_counter(), 0
    while True:
        work()
        done += images
        elapsed = time.perf_counter() - began
        if elapsed >= seconds:
            return done / elapsed


def paired_ratios(measurements: Sequence[Measurement]) -> dict[str, tuple[float, ...]]:
    """Return each contender's speed over the plain loop's, round by round, by ``"task/model/contender"``.

    Rounds are paired because the speed of a machine wanders: what slows a round slows both of its numbers.
    """
    plain = {(each.task, each.model): each.images_per_second for each in measurements if each.contender == PLAIN}
    return {
        f"{each.task}/{each.model}/{each.contender}": tuple(
            mine / other for mine, other in zip(each.images_per_second, plain[each.task, each.model], strict=True)
        )
        for each in measurements
        if each.contender != PLAIN and (each.task, each.model) in plain
    }


def least_bytes_per_step(parameters: int, batch_bytes: int) -> int:
    """Return the bytes a step of Adam in float32 must move: per weight 8 numbers, and the batch once.

    Per weight: read it, write and read its gradient, read and write two moments, write it.
    """
    return parameters * 4 * 8 + batch_bytes


class ContenderProcess:
    """A contender in a process of its own; a context manager that ends it.

    ``name`` is ``plain`` or a backend, ``images`` a ``.npy`` file of uint8 ``(count, height, width, channels)``.
    """

    def __init__(self, name: str, images: Path, batch_size: int):
        self.name = name
        # All contenders live at the same time and may share one GPU, which JAX and TensorFlow would each take whole.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"} | os.environ
        if name != PLAIN:
            environment["KERAS_BACKEND"] = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kerasae.bench.contenders", name, str(images), str(batch_size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **request) -> dict:
        """Return the answer to ``request``; raises ``BackendError`` where the process died over it."""
        line = ""
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        if not line:
            raise BackendError(
                f"the bench of {self.name} ended with exit code {self._process.wait()} at {request}; it last wrote: "
                f"{last_line(self._errors)}; leave it out with --backends"
            )
        return json.loads(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()


def last_line(errors: IO[bytes]) -> str:
    """Return the last line of what a process wrote to the file ``errors``."""
    errors.seek(0)
    return (errors.read().decode("utf-8", "replace").strip().splitlines() or ["nothing"])[-1]


def median_and_range(values: Sequence[float], digits: int = 0) -> tuple[str, str]:
    """Return the median over rounds, and the least and the greatest, for two cells of a table."""
    return f"{median(values):,.{digits}f}", f"{min(values):,.{digits}f}–{max(values):,.{digits}f}"


def speed_table(result: SpeedResult) -> Table:
    """Return the measurements as a table for a terminal: medians over rounds, with the least and the greatest.

    A ratio is the median of the rounds' own ratios to the plain loop, not the ratio of the medians.
    """
    table = plain_table("Images per second")
    table.caption = _caption(result)
    for title in ("task", "model", "contender"):
        table.add_column(title)
    for title in ("median", "min–max", "to plain", "min–max"):
        table.add_column(title, justify="right", no_wrap=True)
    before = None
    for each in sorted(result.measurements, key=lambda each: (each.model, each.task != "train")):
        if before not in (None, (each.task, each.model)):
            table.add_section()
        before = (each.task, each.model)
        ratios = result.ratios.get(f"{each.task}/{each.model}/{each.contender}")
        cells = median_and_range(ratios, 2) if ratios else ("1" if each.contender == PLAIN else "–", "")
        table.add_row(TASKS[each.task], each.model, each.contender, *median_and_range(each.images_per_second), *cells)
    return table


def _caption(result: SpeedResult) -> str:
    height, width, channels = result.image_shape
    devices = {each.contender: each.device for each in result.measurements}
    named = ", ".join(f"{name} {device}" for name, device in devices.items())
    lines = [
        f"{result.images:,} images of {height}×{width}×{channels}, trained on in batches of {result.batch_size}, "
        f"{result.processors} processors; plain: a PyTorch loop",
        "evaluation: reconstruction, MSE, PSNR and SSIM of every image; plain: with scikit-image",
        f"devices: {named}" if len(set(devices.values())) > 1 else f"device: {next(iter(devices.values()))}",
    ]
    return "\n".join(lines + [f"left out: {name} ({why})" for name, why in result.left_out.items()])


@dataclass(frozen=True)
class CodecSpeed:
    """One task's images per second, a number for each round."""

    task: str
    images_per_second: tuple[float, ...]


def measure_codec_speed(
    codec: Codec, images: np.ndarray, *, rounds: int = 5, on_progress: Callable[[str], None] = lambda message: None
) -> list[CodecSpeed]:
    """Measure the codec at its default step on uint8 ``(images, height, width, channels)``, after a warm-up.

    The coding stage alone (integers ↔ payload, checks left out), images ↔ bytes in memory, PNG files ↔ ``.kae`` files
    on disk, one image at a time through the Python API, and Pillow's WebP at its best effort for scale. The tasks take
    turns within each round.
    """
    coder = codec.frozen.levels[codec.frozen.default]
    integers = coder.quantize(codec.network.encode(images))
    payloads = [payload for payload, _ in coder.encode(integers)]
    files = codec.encode(images)
    webp = classical_codec("webp")
    with tempfile.TemporaryDirectory() as folder:
        pngs, kaes, back = (Path(folder) / name for name in ("png", "kae", "back"))
        pngs.mkdir()
        for place, image in enumerate(images):
            write_image(pngs / f"{place:05}.png", image)
        few = images[:50]
        tasks: dict[str, tuple[Callable[[], object], int]] = {
            "coding stage, encode": (lambda: coder.encode(integers), len(images)),
            "coding stage, decode": (lambda: coder.decode(payloads, *integers.shape[1:3]), len(images)),
            "images to bytes": (lambda: codec.encode(images), len(images)),
            "bytes to images": (lambda: codec.decode(files), len(images)),
            "PNG files to .kae files": (lambda: compress_files(codec, [pngs], kaes, force=True), len(images)),
            ".kae files to PNG files": (
                lambda: decompress_files(lambda _: codec, read_packed([kaes]), back, force=True),
                len(images),
            ),
            "one image at a time, encode": (lambda: [codec.encode(one) for one in few], len(few)),
            "one image at a time, decode": (lambda: [codec.decode(one) for one in files[: len(few)]], len(few)),
            "Pillow WebP, method 6, encode": (lambda: [webp.encode(one, 60, "best") for one in few], len(few)),
        }
        found: dict[str, list[float]] = {task: [] for task in tasks}
        for turn in range(-1, rounds):  # the first is the warm-up
            for task, (work, count) in tasks.items():
                began = time.perf_counter()
                work()
                if turn >= 0:
                    found[task].append(count / (time.perf_counter() - began))
                    on_progress(f"round {turn + 1} of {rounds}, {task}: {found[task][-1]:,.0f} images/s")
    return [CodecSpeed(task, tuple(values)) for task, values in found.items()]


def codec_speed_table(speeds: Sequence[CodecSpeed], title: str) -> Table:
    """Return a codec's speeds as a table for a terminal: medians over rounds, with the least and the greatest."""
    table = plain_table(title)
    table.add_column("task")
    for heading in ("images/s", "min–max"):
        table.add_column(heading, justify="right")
    for speed in speeds:
        table.add_row(speed.task, *median_and_range(speed.images_per_second))
    return table
