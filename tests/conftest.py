"""Settings and small images for all tests; the backend is that of KERAS_BACKEND."""

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from kerasae.runtime import choose_backend

# Workers of pytest side by side: threads of one would wait for cores that the other's threads hold.
_WORKERS = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
if _WORKERS > 1:
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // _WORKERS)))

# Before any test imports Keras: PyTorch goes first where it is the backend.
BACKEND = choose_backend()
if BACKEND == "torch":
    import torch

    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
if BACKEND == "jax":
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")

# JAX compiles the same steps for many tests and for the processes they start: half of their time. The first process
# makes the folder, pytest's workers and what the tests start inherit it, and it goes with the first process.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="kerasae-tests-jax-")
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0.1"
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)

# Most of what XLA compiles here runs a few times: without LLVM's optimisation it takes a quarter less time in all. The
# processes of tests/backends, which compare the backends' numbers, compile as users do; so does ``XLA_FLAGS= pytest``.
FAST_COMPILATION = "--xla_backend_optimization_level=0"
os.environ.setdefault("XLA_FLAGS", FAST_COMPILATION)

# For what is the same on each backend, takes a while and stands beside what is not.
once = pytest.mark.skipif(BACKEND != "torch", reason="the same on each backend; once, on PyTorch, which loads fastest")

FACES = Path(__file__).parents[2] / "shared" / "faces"


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes")


# Folders and files whose tests load no Keras, or whose subject is not the backend; one backend is enough for them.
BACKEND_FREE = {
    *("audits/test_groups.py", "audits/test_marks.py"),
    *("recipe", "reports", "test_docs.py", "test_files.py", "test_imports.py", "test_records.py"),
    *(f"bench/test_{name}.py" for name in ("compressai", "speed")),
    *(f"cli/test_{name}.py" for name in ("bad_input", "console", "help", "study")),
    *(f"codec/test_{name}.py" for name in ("container", "entropy_coder", "quantizer", "tables")),
    *(f"data/test_{name}.py" for name in ("cache", "images", "patches", "photos", "sources", "splits")),
    *(f"evaluation/test_{name}.py" for name in ("compare", "statistics")),
    *("rate_distortion/test_experiment.py", "training/test_tensorboard.py"),
    *(f"studies/test_{name}.py" for name in ("archives", "conclusions", "plan", "process", "run")),
}
TESTS = Path(__file__).parent


def pytest_collection_modifyitems(config, items):
    for item in items:
        place = item.path.relative_to(TESTS)
        if BACKEND_FREE & {place.as_posix(), place.parts[0]}:
            item.add_marker(pytest.mark.backend_free)
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))
        if "gpu" in item.keywords and not _has_accelerator():
            item.add_marker(pytest.mark.skip(reason="needs an accelerator"))


def _has_accelerator():
    from kerasae.runtime import on_accelerator

    return on_accelerator()


def pytest_report_header():
    return f"kerasae backend: {BACKEND}"


@pytest.fixture
def faces():
    """The folder of real faces, where it is at hand."""
    if not FACES.is_dir():
        pytest.skip("the folder of faces is not here")
    return FACES


@pytest.fixture
def images():
    """Smooth uint8 images with edges: ``(24, 32, 32, 1)``."""
    return smooth_images(24)


def smooth_images(count, size=32, channels=1, seed=0):
    """Return uint8 images ``(count, size, size, channels)``: a gradient, a wave and a disc each."""
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[0:size, 0:size] / size
    made = np.empty((count, size, size, channels), "uint8")
    for place in range(count):
        a, b, c, x, y = random.uniform(size=5)
        picture = 0.3 * a * rows + 0.3 * b * columns + 0.2 * np.sin(8 * c * (rows + columns)) + 0.2
        picture += 0.4 * ((rows - x) ** 2 + (columns - y) ** 2 < 0.05)
        made[place] = (255 * np.clip(picture, 0, 1)).astype("uint8")[..., None]
    return made


def batches_of(feed, epoch=0):
    """Yield what each batch of ``feed`` holds: uint8 ``(batch, height, width, channels)``."""
    places = feed.places(epoch)
    for start in range(0, len(places), feed.batch_size):
        yield feed.taken(places[start : start + feed.batch_size], epoch)


@pytest.fixture
def image_folder(tmp_path, images):
    """The same images as PNG files, with a CSV that names their persons."""
    return write_images(tmp_path / "images", images)


def write_images(folder, images):
    """Write gray images as PNG files into a new folder, with a CSV that says which of eight persons each is of."""
    from PIL import Image

    folder.mkdir()
    lines = ["file,person"]
    for place, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{place:03}.png")
        lines.append(f"{place:03}.png,p{place % 8}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture
def kerasae(capsys, monkeypatch, tmp_path):
    """Run the command line in this process: ``kerasae("train", …)`` → (exit code, standard output, standard error)."""
    from kerasae.cli.app import main
    from kerasae.console import err, out

    monkeypatch.setenv("COLUMNS", "120")
    for console in (out, err):
        monkeypatch.setattr(console, "width", 120)
    monkeypatch.setenv("KERASAE_RUNS", str(tmp_path / "runs"))

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["kerasae", *map(str, arguments)])
        capsys.readouterr()
        try:
            main()
            code = 0
        except SystemExit as exit:
            code = exit.code or 0
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run
