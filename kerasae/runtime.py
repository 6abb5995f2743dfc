"""Which backend Keras will use, chosen before Keras loads, and what it runs on.

Only the command line and the tests choose; everything else may ask.
"""

import contextlib
import ctypes
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from kerasae.errors import BackendError

BACKENDS = ("tensorflow", "jax", "torch")
_INSTALL = {"tensorflow": "pip install tensorflow", "jax": "pip install 'kerasae[jax]'", "torch": "pip install torch"}


def installed_backends() -> list[str]:
    """Return the backends that are installed, without importing any."""
    return [name for name in BACKENDS if importlib.util.find_spec(name) is not None]


def wanted_backend() -> str:
    """Return the backend that ``KERAS_BACKEND`` asks for, or Keras' own configuration file, or what is installed.

    Raises ``BackendError`` for a name that is not a backend and for one that is not installed.
    """
    installed = installed_backends()
    wanted = os.environ.get("KERAS_BACKEND") or _configured()
    if wanted is None or (wanted not in installed and "KERAS_BACKEND" not in os.environ and installed):
        # Keras' file names TensorFlow unless somebody changed it, also where only JAX or PyTorch is installed.
        wanted = installed[0] if installed else "tensorflow"
    if wanted not in BACKENDS:
        raise BackendError(
            f"KERAS_BACKEND={wanted!r} is not a backend kerasae runs on; it is one of {', '.join(BACKENDS)}"
        )
    if wanted not in installed:
        found = f"installed here: {', '.join(installed)}" if installed else "no backend is installed here"
        raise BackendError(f"the backend {wanted} is not installed ({found}); install it with: {_INSTALL[wanted]}")
    return wanted


def choose_backend(*, load: bool = True) -> str:
    """Settle the backend for this process and return its name; must run before Keras is imported.

    Without ``load`` it is only named: whoever then needs Keras calls ``load_tensorflow_quietly`` before.
    Raises ``BackendError`` as ``wanted_backend`` does, and where Keras is already loaded with another backend.
    """
    wanted = wanted_backend()
    if "keras" in sys.modules:
        loaded = sys.modules["keras"].backend.backend()
        if loaded != wanted:
            raise BackendError(f"Keras is already loaded on {loaded}; set KERAS_BACKEND={wanted} before importing it")
        return loaded
    os.environ["KERAS_BACKEND"] = wanted
    _keep_freed_memory()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if load and wanted == "torch":
        import torch  # noqa: F401
    if load and wanted == "tensorflow":
        load_tensorflow_quietly()
    if wanted == "jax":
        _keep_compiled_programs()
    return wanted


def load_tensorflow_quietly() -> None:
    """Import TensorFlow, where it is installed, without its greeting; does nothing where it is loaded already.

    Keras imports it on every backend to save, load or copy a model, and no setting keeps its C++ part from writing to
    the terminal. Call this right before such work; it takes the seconds that Keras would take.
    """
    if "tensorflow" not in sys.modules:
        if os.environ.get("KERAS_BACKEND") == "torch":
            # Importing PyTorch after TensorFlow can crash where both bring their own OpenMP.
            import torch  # noqa: F401
        with contextlib.suppress(ImportError), _silent_stderr():
            importlib.import_module("tensorflow")


def cache_folder() -> Path:
    """Return where caches are: ``KERASAE_CACHE``, or ``~/.cache/kerasae``."""
    return Path(os.environ.get("KERASAE_CACHE") or Path.home() / ".cache" / "kerasae").expanduser()


_MOST_COMPILED_BYTES = 1 << 30


def compiled_programs() -> tuple[str, int]:
    """Return where JAX keeps what it compiled, and how many bytes lie there; ``("", 0)`` where it keeps nothing."""
    if os.environ.get("JAX_ENABLE_COMPILATION_CACHE", "true").lower() in ("false", "0", "off", "no", "n", "f"):
        return "", 0
    folder = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR") or cache_folder() / "jax" / _processor())
    return str(folder), sum(state.st_size for _, state in _files(folder))


def _keep_compiled_programs() -> None:
    """Let JAX keep what it compiles, for this process's next and for other processes; must run before JAX loads.

    JAX's own variables are left as they are: ``JAX_ENABLE_COMPILATION_CACHE=false`` turns it off. A program names the
    versions and options it was compiled with, but not the processor, which has a folder of its own here.
    """
    if "JAX_COMPILATION_CACHE_DIR" in os.environ or "jax" in sys.modules:
        return
    folder, size = compiled_programs()
    if not folder:
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = folder
    # The many small programs of a start take seconds together.
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    if size > _MOST_COMPILED_BYTES:
        # The oldest go first. JAX would do it at every program with a package that we do not need otherwise.
        for path, state in sorted(_files(Path(folder)), key=lambda one: one[1].st_mtime):
            with contextlib.suppress(OSError):
                path.unlink()
            size -= state.st_size
            if size <= _MOST_COMPILED_BYTES:
                break


def _files(folder: Path) -> list[tuple[Path, os.stat_result]]:
    try:
        with os.scandir(folder) as entries:
            return [(Path(entry.path), entry.stat()) for entry in entries if entry.is_file()]
    except OSError:
        return []


def _processor() -> str:
    """Return a name for what the processor can do: a program compiled for more than that would crash."""
    about = platform.machine()
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        about += "".join(sorted({line for line in lines if line.startswith(("flags", "model name", "Features"))}))
    return hashlib.sha256(about.encode()).hexdigest()[:12]


def _keep_freed_memory() -> None:
    """Tell glibc not to hand large buffers back to the system after every operation, where glibc is what there is.

    Activations are freed and asked for again in each step; the system then clears every page anew. Keeping them made an
    autoencoder's step on JAX 1.3 to 1.4 times as fast, the VAE's on TensorFlow 1.2 times (paired runs, 2 CPU cores).
    """
    if not sys.platform.startswith("linux"):
        return
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return
    no_mmap, trim, top_pad, arenas = (-4, 0), (-1, 2**31 - 1), (-2, 1 << 28), (-8, 1)
    for option, value in (no_mmap, trim, top_pad, arenas):
        mallopt(option, value)


@contextlib.contextmanager
def _silent_stderr() -> Iterator[None]:
    """Hold back what native code writes to the terminal; show it only if the work fails."""
    sys.stderr.flush()
    kept = os.dup(2)
    with tempfile.TemporaryFile() as written:
        os.dup2(written.fileno(), 2)
        try:
            yield
        except BaseException:
            os.dup2(kept, 2)
            written.seek(0)
            os.write(2, written.read())
            raise
        finally:
            os.dup2(kept, 2)
            os.close(kept)


_TRIAL = """
import json, warnings
warnings.simplefilter("ignore")
from kerasae.runtime import choose_backend, describe_device
choose_backend()
import keras
value = keras.ops.convert_to_numpy(keras.ops.matmul(keras.ops.ones((8, 8)), keras.ops.ones((8, 8))))
assert (value == 8).all()
print(json.dumps(describe_device()))
"""


def try_backend(backend: str) -> tuple[bool, str]:
    """Return whether a small product is right on ``backend``, and its device or what went wrong."""
    environment = os.environ | {"KERAS_BACKEND": backend}
    done = subprocess.run([sys.executable, "-c", _TRIAL], env=environment, capture_output=True, text=True)
    if done.returncode:
        return False, (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return True, json.loads(done.stdout.splitlines()[-1])


def describe_device() -> str:
    """Return the device the loaded backend computes on, such as ``cpu`` or ``gpu: NVIDIA H200``."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        device = jax.devices()[0]
        return "cpu" if device.platform == "cpu" else f"{device.platform}: {device.device_kind}"
    if backend == "torch":
        import torch

        return f"gpu: {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "cpu"
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    return (
        f"gpu: {tf.config.experimental.get_device_details(gpus[0]).get('device_name', gpus[0].name)}" if gpus else "cpu"
    )


def on_accelerator() -> bool:
    """Return whether the loaded backend computes on something other than the CPU."""
    return describe_device() != "cpu"


def free_memory() -> int:
    """Return about how many bytes are free on the device that the loaded backend computes on."""
    import keras

    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        # None on a CPU.
        if statistics := jax.local_devices()[0].memory_stats():
            return statistics["bytes_limit"] - statistics["bytes_in_use"]
    if backend == "torch":
        import torch

        if torch.cuda.is_available():
            return torch.cuda.mem_get_info()[0]
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024
    except (OSError, StopIteration):
        # Not Linux: a guess that is right for what most people train on.
        return 4 << 30


def worth_compiling() -> bool:
    """Return whether the loaded backend's functions should go through XLA here: Keras' ``jit_compile``.

    On JAX always. On TensorFlow only with an accelerator: XLA halves its speed on a CPU (measured). Never on PyTorch,
    where it would bring in a compiler with a tool chain of its own.
    """
    import keras

    backend = keras.backend.backend()
    return backend == "jax" or (backend == "tensorflow" and on_accelerator())


def xla_on_cpu() -> bool:
    """Return whether the loaded backend compiles what it computes with XLA, for a CPU."""
    return worth_compiling() and not on_accelerator()


# Windows has no SIGHUP.
ENDING_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


@contextlib.contextmanager
def ending_on_signals(*signals: int) -> Iterator[None]:
    """Let the first of ``signals`` unwind what runs inside, so that it is left in good order; ignore those after it.

    SIGINT raises ``KeyboardInterrupt``, any other ``SystemExit`` with 128 + its number, as shells count. A signal that
    is ignored, as under nohup, or that the program handles in its own way is left alone, and so are all of them
    outside the main thread.
    """
    came = False

    def end(number, frame):
        nonlocal came
        if came:  # programs such as timeout send it twice
            return
        came = True
        raise KeyboardInterrupt if number == signal.SIGINT else SystemExit(128 + number)

    end.is_ours = True
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {number: signal.getsignal(number) for number in signals}
    usual = (signal.SIG_DFL, signal.default_int_handler)
    replaced = {
        number: handler for number, handler in before.items() if handler in usual or getattr(handler, "is_ours", False)
    }
    try:
        for number in replaced:
            signal.signal(number, end)
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)


def versions(*packages: str) -> dict[str, str]:
    """Return the installed versions of ``packages``; ``not installed`` where there is none."""
    found = {}
    for package in packages:
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            found[package] = "not installed"
    return found


def _configured() -> str | None:
    path = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / "keras.json"
    try:
        return json.loads(path.read_text()).get("backend")
    except (OSError, ValueError):
        return None


def with_gradient(function: Callable, gradient: Callable) -> Callable:
    """Return ``function`` with ``gradient`` in the place of what the backend would derive.

    Args:
        function: tensors → one tensor.
        gradient: ``(upstream, *tensors)`` → the gradient by each of the tensors, of its shape: one tensor for one
            argument, a tuple for several. ``upstream`` has the shape of what ``function`` returns.

    TensorFlow takes no variable for an argument of what is returned; hand it ``ops.copy`` of one.
    """
    from keras import ops

    @ops.custom_gradient
    def call(*tensors):
        def backward(*args, upstream=None):
            # PyTorch's backend hands the upstream gradient by name, after the arguments; the others hand it alone.
            return gradient(args[0] if upstream is None else upstream, *tensors)

        return function(*tensors), backward

    return call
