"""CompressAI's factorised prior trained for a given time, beside kerasae's.

``measure_compressai`` runs ``compressai_worker.py`` with the Python of an environment that has CompressAI, which
kerasae's own never needs; ``compressai_table`` shows the results.
"""

import json
import math
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from rich.table import Table

from kerasae.bench.speed import last_line
from kerasae.errors import BackendError, DataError


@dataclass(frozen=True)
class CompressaiResult:
    """``FactorizedPrior(64, 96)`` of CompressAI, trained at one ``lmbda``, on test images.

    ``lmbda`` weighs ``255² · MSE`` against bits per pixel. ``training_seconds`` is wall time on ``threads`` threads,
    in which ``training_steps`` were done. ``bits_per_pixel`` counts the entropy-coded strings, without any header;
    ``estimated_bits_per_pixel`` the information under the trained density. ``psnr`` is the mean over images in dB,
    ``psnr_of_mean_mse`` that of the mean squared error, both of decoded 8-bit images. Speeds are in images per second:
    from uint8 images in memory to strings and back, 64 images a call or one.
    """

    lmbda: float
    threads: int
    seed: int
    learning_rate: float
    training_seconds: float
    training_steps: int
    training_images_per_second: float
    parameters: int
    test_images: int
    bits_per_pixel: float
    estimated_bits_per_pixel: float
    psnr: float
    psnr_of_mean_mse: float
    encode_images_per_second: float
    decode_images_per_second: float
    encode_images_per_second_single: float
    decode_images_per_second_single: float
    versions: dict[str, str]


def read_result(path: Path) -> CompressaiResult:
    """Read what the worker wrote; raises ``BackendError`` where that is not a whole result."""
    try:
        plain = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BackendError(f"CompressAI's worker left no readable result ({error}); run it again") from None
    wanted = {field.name for field in fields(CompressaiResult)}
    found = set(plain) if isinstance(plain, dict) else set()
    if found != wanted:
        raise BackendError(
            f"CompressAI's worker left a result with {', '.join(sorted(wanted - found)) or 'nothing'} missing and "
            f"{', '.join(sorted(found - wanted)) or 'nothing'} unknown; it is of another version of kerasae"
        )
    return CompressaiResult(**plain)


def compressai_table(results: Sequence[CompressaiResult], title: str) -> Table:
    """Return a row for each ``lmbda``, for a terminal; PSNR by the mean over images and by the mean squared error."""
    first = results[0]
    caption = (
        f"FactorizedPrior(64, 96), {first.parameters:,} weights, {first.training_seconds:,.0f} s of training on "
        f"{first.threads} thread{'s' * (first.threads != 1)}; {first.test_images:,} test images, no headers counted"
    )
    table = Table(title=title, caption=caption, caption_justify="left")
    headings = ("lambda", "bits per pixel", "estimated", "PSNR, dB", "of mean MSE")
    for heading in (*headings, "training, images/s", "encode", "decode", "encode, single", "decode, single"):
        table.add_column(heading, justify="right")
    for each in results:
        speeds = (
            each.training_images_per_second,
            each.encode_images_per_second,
            each.decode_images_per_second,
            each.encode_images_per_second_single,
            each.decode_images_per_second_single,
        )
        table.add_row(
            f"{each.lmbda:g}",
            f"{each.bits_per_pixel:.4f}",
            f"{each.estimated_bits_per_pixel:.4f}",
            f"{each.psnr:.2f}",
            f"{each.psnr_of_mean_mse:.2f}",
            *(f"{speed:,.0f}" for speed in speeds),
        )
    return table


_WORKER = Path(__file__).with_name("compressai_worker.py")
_PROBE = "import importlib.util, sys; sys.exit(3 if importlib.util.find_spec('compressai') is None else 0)"
_MULTIPLE = 16
_INSTALL = "make an environment for it alone: python -m venv DIR, then DIR/bin/pip install compressai"


def measure_compressai(
    python: str | Path,
    train: np.ndarray,
    test: np.ndarray,
    *,
    lmbda: float,
    seconds: float,
    threads: int = 1,
    seed: int = 0,
    learning_rate: float = 1e-3,
    on_progress: Callable[[str], None] = lambda message: None,
) -> CompressaiResult:
    """Train CompressAI's ``FactorizedPrior(64, 96)`` for ``seconds`` of wall time; return what it reaches on ``test``.

    ``python`` is the interpreter of an environment that has CompressAI; ``train`` and ``test`` are uint8 ``(count,
    height, width, channels)``, their sides multiples of 16. ``lmbda`` weighs ``255² · MSE`` against bits per pixel.
    ``compressai_worker`` says how it is trained; ``on_progress`` gets a line every half minute.

    Raises ``BackendError`` where the interpreter is missing, lacks CompressAI or fails, ``DataError`` for images that
    the model does not take.
    """
    settings = {"lmbda": lmbda, "seconds": seconds, "threads": threads, "learning_rate": learning_rate}
    for name, value in settings.items():
        if not 0 < value < math.inf:
            raise BackendError(f"CompressAI's {name} is {value}; it is a number above 0")
    interpreter = _interpreter(python)
    _refuse_unfit(train, test)
    settings["seed"] = seed
    with tempfile.TemporaryDirectory() as folder:
        images, result = Path(folder) / "images.npz", Path(folder) / "result.json"
        np.savez(images, train=train, test=test)
        _run_worker(interpreter, [str(images), str(result), json.dumps(settings)], threads, on_progress)
        return read_result(result)


def _interpreter(python: str | Path) -> str:
    # Not resolved: the Python of a virtual environment is a link, and is that environment's by its own path only.
    found = shutil.which(str(python))
    if found is None:
        raise BackendError(f"{python} is not a Python that can be run; give the interpreter that has CompressAI")
    try:
        code = subprocess.run([found, "-I", "-c", _PROBE], capture_output=True).returncode
    except OSError as error:
        raise BackendError(
            f"{python} cannot be run: {error.strerror}; give the interpreter that has CompressAI"
        ) from None
    if code == 3:
        raise BackendError(f"{python} has no CompressAI; {_INSTALL}")
    if code:
        raise BackendError(f"{python} ended with exit code {code} when asked for CompressAI; is it a Python?")
    return found


def _refuse_unfit(train: np.ndarray, test: np.ndarray) -> None:
    for name, images in (("train", train), ("test", test)):
        if images.ndim != 4 or images.dtype != np.uint8 or not len(images):
            raise DataError(
                f"CompressAI's {name} images are {images.dtype} {images.shape}; give uint8 (count, height, width, "
                "channels), one at least"
            )
        if images.shape[1] % _MULTIPLE or images.shape[2] % _MULTIPLE:
            raise DataError(
                f"images of {images.shape[1]}×{images.shape[2]} do not fit CompressAI's model: sides are multiples of "
                f"{_MULTIPLE}; choose another size with --set data.image_size=128"
            )
    if train.shape[3] != test.shape[3]:
        raise DataError(f"train images have {train.shape[3]} channels and test images {test.shape[3]}; give one kind")


def _run_worker(interpreter: str, arguments: list[str], threads: int, on_progress: Callable[[str], None]) -> None:
    environment = os.environ | {name: str(threads) for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")}
    # Isolated (-I): neither PYTHONPATH nor this package's own folder may reach the other environment.
    command = [interpreter, "-I", str(_WORKER), *arguments]
    with tempfile.TemporaryFile() as errors:
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=errors, env=environment, text=True, encoding="utf-8"
        ) as process:
            try:
                for line in process.stdout:
                    on_progress(line.rstrip())
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise BackendError(
                f"CompressAI ended with exit code {process.returncode}; it last wrote: {last_line(errors)}; "
                f"see that {interpreter} can import compressai.models"
            )
