"""How fast a run's files are written and read: ``measure_codec_speed``, and its table."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.table import Table

from kerasae.bench.speed import median_and_range
from kerasae.codec import Codec, compress_files, decompress_files
from kerasae.codec.files import read_packed
from kerasae.data import write_image
from kerasae.rate_distortion.classical import classical_codec
from kerasae.reports.tables import plain_table


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
