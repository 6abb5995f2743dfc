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

PEERS = PLAIN, COMPILED, GRAPH = "plain", "compiled", "graph"
TASKS = {"train": "training", "evaluate": "evaluation"}
# Of each model the batch that it is trained in unless asked; the codec, mean_scale_hyperprior, has no plain loop.
MODELS = {"ae": 128, "vae": 128, "codec": 16}
# Eight whole batches of the photos' crops: no step of another shape, and an epoch that takes about a second.
_IMAGES = 1024


@dataclass(frozen=True)
class Measurement:
    """The speed of one contender at one task, in images per second, one number per round.

    ``contender``: one of ``PEERS``, or a backend. ``model``: ``ae``, ``vae`` or ``codec``, trained in batches of
    ``batch_size``. ``task``: ``train`` or ``evaluate``. ``device`` is what it ran on. ``first_epoch_seconds``: from
    the start of the process to the end of its first epoch, loading and compiling included. ``least_bytes_per_image``
    and ``flops_per_image``: what training has to move and to multiply at the least; 0 where that is not known.
    """

    contender: str
    model: str
    task: str
    images_per_second: tuple[float, ...]
    device: str = ""
    parameters: int = 0
    batch_size: int = 0
    first_epoch_seconds: float = 0.0
    least_bytes_per_image: float = 0.0
    flops_per_image: float = 0.0


@dataclass(frozen=True)
class SpeedResult:
    """All measurements; ``left_out`` says of each contender that is missing why.

    ``images`` of shape ``image_shape`` (height, width, channels) were trained on. ``ratios`` holds, by
    ``"task/model/batch size/contender"``, the speed divided by that of the plain loop in the same round; it is empty
    where there was no plain loop. ``bounds``: the device's ``bytes_per_second`` and ``flops_per_second``, if measured.
    """

    images: int
    image_shape: tuple[int, int, int]
    seconds_per_round: float
    processors: int
    versions: dict[str, str]
    measurements: tuple[Measurement, ...]
    left_out: dict[str, str]
    ratios: dict[str, tuple[float, ...]] = field(default_factory=dict)
    bounds: dict[str, float] = field(default_factory=dict)


def measure_speed(
    *,
    models: Sequence[str] = ("ae", "vae"),
    backends: Sequence[str] | None = None,
    peers: Sequence[str] = (PLAIN,),
    bounds: bool = False,
    rounds: int = 3,
    seconds_per_round: float = 8.0,
    images: np.ndarray | int = _IMAGES,
    on_progress: Callable[[str], None] = lambda message: None,
) -> SpeedResult:
    """Measure the speed of training and of evaluation, of kerasae on each backend and of a plain PyTorch loop.

    Every contender has a process of its own, which is warmed up first; in each round they take turns of
    ``seconds_per_round`` seconds. ``on_progress`` gets a line for each measurement.

    Args:
        models: some of ``ae``, ``vae`` and ``codec``, each alone or with its batch size, as ``ae:1024``.
        backends: some of those installed.
        peers: what a person would write with PyTorch: ``plain``, ``compiled`` by ``torch.compile``, or ``graph``, a
            CUDA graph, which is left out where there is no CUDA.
        bounds: measure what the device can do at most, too.
        images: uint8 ``(count, height, width, channels)``, or how many crops of photos, repeated as need be.

    Raises:
        BackendError: for a name that is not a backend, for one that fails and where none is installed.
        ModelError: for a model that is none of the bench's.
    """
    cases = [_case(name) for name in models]
    names, left_out = _contenders(backends, peers)
    images = _photos(images) if isinstance(images, int) else images
    found: list[Measurement] = []
    most: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "images.npy"
        np.save(path, images)
        if bounds and importlib.util.find_spec("torch") is not None:
            with ContenderProcess("bounds", path) as process:
                most = process.ask(do="bounds", seconds=min(seconds_per_round, 2.0))
        for model, batch_size in cases:
            # A process for each model: on a GPU what one leaves behind would be in the way of the next.
            with ExitStack() as stack:
                own = [name for name in names if name not in PEERS or model != "codec"]
                processes = [stack.enter_context(ContenderProcess(name, path)) for name in own]
                batch_size = min(batch_size, len(images))
                found += _measure(model, batch_size, processes, rounds, seconds_per_round, images[0].size, on_progress)
    return SpeedResult(
        images=len(images),
        image_shape=images.shape[1:],
        seconds_per_round=seconds_per_round,
        processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        versions=versions("kerasae", "keras", *BACKENDS, "scikit-image", "numpy"),
        measurements=tuple(found),
        left_out=left_out,
        ratios=paired_ratios(found),
        bounds=most,
    )


def _case(name: str) -> tuple[str, int]:
    model, _, batch_size = name.partition(":")
    if model not in MODELS or not (batch_size or "1").isdecimal() or batch_size == "0":
        raise ModelError(
            f"{name!r} is not a model of the bench; it is one of {', '.join(MODELS)}, alone or with a batch size: "
            "ae:1024"
        )
    return model, int(batch_size or MODELS[model])


def _contenders(backends: Sequence[str] | None, peers: Sequence[str] = (PLAIN,)) -> tuple[list[str], dict[str, str]]:
    installed = installed_backends()
    wanted = list(BACKENDS) if backends is None else list(backends)
    for name in wanted:
        if name not in BACKENDS:
            raise BackendError(f"{name!r} is not a backend; it is one of {', '.join(BACKENDS)}")
    for name in peers:
        if name not in PEERS:
            raise BackendError(f"{name!r} is not a peer; it is one of {', '.join(PEERS)}")
    left_out = {name: "not installed" for name in wanted if name not in installed}
    names = [name for name in wanted if name in installed]
    if not names:
        raise BackendError(
            f"of {', '.join(wanted)}, none is installed; install one, such as: pip install 'kerasae[jax]'"
        )
    if importlib.util.find_spec("torch") is None:
        return names, left_out | {PLAIN: "PyTorch is not installed, so there are no ratios; pip install torch"}
    peers = list(peers)
    if GRAPH in peers and not _has_cuda():
        peers.remove(GRAPH)
        left_out[GRAPH] = "PyTorch sees no GPU"
    return [*peers, *names], left_out


def _has_cuda() -> bool:
    # Elsewhere: PyTorch is not to be loaded here, before a process that may load TensorFlow first.
    script = "import torch, sys; sys.exit(0 if torch.cuda.is_available() else 1)"
    return subprocess.run([sys.executable, "-c", script]).returncode == 0


def _photos(count: int) -> np.ndarray:
    from kerasae.data import load_images
    from kerasae.recipes import PhotosData

    images = load_images(PhotosData()).images
    return np.array(images[np.arange(count) % len(images)])


def _measure(model, batch_size, processes, rounds, seconds, pixels, on_progress) -> list[Measurement]:
    facts, label = {}, f"{model}, batches of {batch_size}"
    for process in processes:
        on_progress(f"{label}: warming up {process.name}")
        facts[process.name] = process.ask(do="prepare", model=model, batch_size=batch_size)
    # What training has to do is told by the one that knows its layers.
    known = next((one for one in facts.values() if "flops_per_image" in one), {})
    measurements = []
    for task in TASKS:
        chosen = [process for process in processes if task in facts[process.name]["tasks"]]
        speeds = {process.name: [] for process in chosen}
        for turn in range(rounds):
            for process in chosen:
                speed = process.ask(do="measure", task=task, seconds=seconds)["images_per_second"]
                speeds[process.name].append(speed)
                on_progress(f"{label}: {task}, round {turn + 1} of {rounds}, {process.name}: {speed:,.0f} images/s")
        for name, values in speeds.items():
            own, bytes_, flops = facts[name], 0.0, 0.0
            if task == "train" and known:
                bytes_ = least_bytes_per_image(own["parameters"], batch_size, pixels, known["numbers_per_image"])
                flops = known["flops_per_image"]
            measurements.append(
                Measurement(
                    name,
                    model,
                    task,
                    tuple(values),
                    device=own["device"],
                    parameters=own["parameters"],
                    batch_size=batch_size,
                    first_epoch_seconds=round(own["first_epoch_seconds"], 2),
                    least_bytes_per_image=bytes_,
                    flops_per_image=flops,
                )
            )
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
    """Return each contender's speed over the plain loop's, round by round, by
    ``"task/model/batch size/contender"``.

    Rounds are paired because the speed of a machine wanders: what slows a round slows both of its numbers.
    """
    plain = {_key(each): each.images_per_second for each in measurements if each.contender == PLAIN}
    return {
        f"{_key(each)}/{each.contender}": tuple(
            mine / other for mine, other in zip(each.images_per_second, plain[_key(each)], strict=True)
        )
        for each in measurements
        if each.contender != PLAIN and _key(each) in plain
    }


def _key(each: Measurement) -> str:
    return f"{each.task}/{each.model}/{each.batch_size}"


def least_bytes_per_image(parameters: int, batch_size: int, pixels: int, numbers: int) -> float:
    """Return the bytes that a step of Adam in float32 must move, for each image of its batch.

    Per weight 8 numbers: read it, write and read its gradient, read and write two moments, write it. Per number that a
    layer makes 5: write it, read it for the next layer and for the gradient, write and read its gradient. And the
    ``pixels`` of the image itself, a byte each.
    """
    return parameters * 4 * 8 / batch_size + 5 * 4 * numbers + pixels


class ContenderProcess:
    """A contender in a process of its own; a context manager that ends it.

    ``name`` is one of ``PEERS``, a backend or ``bounds``, ``images`` a ``.npy`` file of uint8
    ``(count, height, width, channels)``.
    """

    def __init__(self, name: str, images: Path):
        self.name = name
        # All contenders live at the same time and may share one GPU, which JAX and TensorFlow would each take whole.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"} | os.environ
        environment["KERASAE_BENCH_BEGAN"] = str(time.time())
        if name in BACKENDS:
            environment["KERAS_BACKEND"] = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kerasae.bench.contenders", name, str(images)],
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
    # Beside what the device can do there is no room for ranges.
    ranges = ["median", "min–max", "to plain", "min–max"]
    for title in ["median", "to plain", "1st epoch", "memory", "arithm."] if result.bounds else ranges:
        table.add_column(title, justify="right", no_wrap=True)
    several = len({(each.model, each.batch_size) for each in result.measurements}) > len(
        {each.model for each in result.measurements}
    )
    before = None
    for each in sorted(result.measurements, key=lambda each: (each.model, each.batch_size, each.task != "train")):
        if before not in (None, _key(each)):
            table.add_section()
        before = _key(each)
        ratios = result.ratios.get(f"{_key(each)}/{each.contender}")
        cells = median_and_range(ratios, 2) if ratios else ("1" if each.contender == PLAIN else "–", "")
        model = f"{each.model}:{each.batch_size}" if several else each.model
        speeds = median_and_range(each.images_per_second)
        numbers = [*speeds, *cells]
        if result.bounds:
            numbers = [speeds[0], cells[0], *_shares(each, result.bounds)]
        table.add_row(TASKS[each.task], model, each.contender, *numbers)
    return table


def _shares(each: Measurement, bounds: dict[str, float]) -> tuple[str, str, str]:
    """Return the seconds to the end of the first epoch, and the shares of what memory and arithmetic would allow."""
    if each.task != "train":
        return "", "", ""
    speed = median(each.images_per_second)
    pairs = ((each.least_bytes_per_image, "bytes_per_second"), (each.flops_per_image, "flops_per_second"))
    shares = [f"{100 * speed * one / bounds[name]:.1f} %" if one else "–" for one, name in pairs]
    return f"{each.first_epoch_seconds:.1f} s", *shares


def _caption(result: SpeedResult) -> str:
    height, width, channels = result.image_shape
    devices = {each.contender: each.device for each in result.measurements}
    named = ", ".join(f"{name} {device}" for name, device in devices.items())
    batches = {f"{each.batch_size} ({each.model})": None for each in result.measurements}
    loops = {PLAIN: "a PyTorch loop", COMPILED: "the same by torch.compile", GRAPH: "the same as a CUDA graph"}
    peers = "; ".join(f"{name}: {what}" for name, what in loops.items() if name in devices)
    lines = [
        f"{result.images:,} images of {height}×{width}×{channels}, {result.processors} processors; trained on in "
        f"batches of {', '.join(batches)}{'; ' * bool(peers)}{peers}",
        "evaluation: reconstruction, MSE, PSNR and SSIM of every image; plain: with scikit-image",
        f"devices: {named}" if len(set(devices.values())) > 1 else f"device: {next(iter(devices.values()))}",
    ]
    if result.bounds:
        lines.append(
            f"memory, arithmetic: shares of what the device can do at most, a copy of "
            f"{result.bounds['bytes_per_second'] / 1e9:,.0f} GB/s and a product in float32 of "
            f"{result.bounds['flops_per_second'] / 1e12:,.2f} TFLOP/s"
        )
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
    latents = codec.network.encode(images)
    quantized = coder.quantize(latents)
    payloads = [payload for payload, _ in coder.encode(quantized)]
    files = codec.encode(images)
    webp = classical_codec("webp")
    with tempfile.TemporaryDirectory() as folder:
        pngs, kaes, back = (Path(folder) / name for name in ("png", "kae", "back"))
        pngs.mkdir()
        for place, image in enumerate(images):
            write_image(pngs / f"{place:05}.png", image)
        few = images[:50]
        tasks: dict[str, tuple[Callable[[], object], int]] = {
            "coding stage, encode": (lambda: coder.encode(quantized), len(images)),
            "coding stage, decode": (lambda: coder.decode(payloads, *latents.shape[1:3]), len(images)),
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
        if codec.network.coder is not None:
            tasks["images to bytes, effort 1"] = (lambda: codec.encode(few, effort=1), len(few))
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
