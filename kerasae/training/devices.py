"""The devices and processes that train together."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from kerasae.errors import BackendError
from kerasae.recipes import GivenModel, Recipe
from kerasae.recipes.section import CodeModel
from kerasae.runtime import describe_device, worth_compiling

if TYPE_CHECKING:
    from kerasae.data.batches import DeviceFeed, Feed

_ADDRESSES = "KERAS_DISTRIBUTION_JOB_ADDRESSES"
_PROCESSES = "KERAS_DISTRIBUTION_NUM_PROCESSES"
_PROCESS = "KERAS_DISTRIBUTION_PROCESS_ID"


@dataclass(frozen=True)
class Asked:
    """``devices`` of all ``processes`` together; this is process number ``process``, counted from 0."""

    devices: int
    processes: int
    process: int


def asked_for(recipe: Recipe, backend: str) -> Asked:
    """Return what ``[training] devices`` and Keras' ``KERAS_DISTRIBUTION_…`` variables ask for.

    Raises ``BackendError`` where it is more than one device and ``backend`` is not JAX, where the variables do not say
    one thing, and where the devices do not divide over the processes.
    """
    processes, process = processes_asked()
    devices = recipe.training.devices
    if processes > 1 and backend != "jax":
        raise BackendError(
            f"{_PROCESSES}={processes} asks for one model in {processes} processes, which needs KERAS_BACKEND=jax and "
            f"not {backend}; set KERAS_BACKEND=jax, or unset the KERAS_DISTRIBUTION_… variables"
        )
    if devices > 1 and backend != "jax":
        raise BackendError(
            f"training.devices = {devices} asks for one model on {devices} devices, which needs KERAS_BACKEND=jax and "
            f"not {backend}; set KERAS_BACKEND=jax, or leave training.devices at 1"
        )
    if devices % processes:
        raise BackendError(
            f"training.devices = {devices} does not divide over {processes} processes; it counts the devices of all "
            f"processes together: --set training.devices={processes}, or another multiple of {processes}"
        )
    return Asked(devices, processes, process)


def refuse_several_processes(command: str) -> None:
    """Raise ``BackendError`` where the environment asks for several processes and ``command`` is one process's work."""
    processes, _ = processes_asked()
    if processes > 1:
        raise BackendError(
            f"{command} works in one process, and {_PROCESSES}={processes}; train in several with kerasae train, then "
            f"unset the KERAS_DISTRIBUTION_… variables for {command}"
        )


def is_first_process() -> bool:
    """Return whether this process writes the run: the only one, or number 0."""
    return processes_asked()[1] == 0


def processes_asked() -> tuple[int, int]:
    """Return how many processes train together and which this is; ``(1, 0)`` where the environment says nothing.

    Raises ``BackendError`` where a variable is missing or out of range.
    """
    given = {name: os.environ.get(name, "") for name in (_ADDRESSES, _PROCESSES, _PROCESS)}
    if not any(given.values()):
        return 1, 0
    missing = [name for name, value in given.items() if not value]
    if missing:
        raise BackendError(
            f"{' and '.join(missing)} is not set, but {' and '.join(set(given) - set(missing))} is; several processes "
            f"need all three: {_ADDRESSES}=HOST:PORT of process 0, {_PROCESSES} and {_PROCESS}, counted from 0"
        )
    processes, process = (_whole_number(name, given[name]) for name in (_PROCESSES, _PROCESS))
    if not 0 <= process < processes:
        raise BackendError(
            f"{_PROCESS}={process} is out of range; with {_PROCESSES}={processes} it is a number from 0 to "
            f"{processes - 1}"
        )
    return processes, process


def _whole_number(name: str, text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise BackendError(f"{name}={text!r} is not a whole number") from None


_PER_DEVICE, _MOST_THREADS = 8, 512


def ask_for_threads(devices: int) -> None:
    """Let JAX have threads enough for ``devices`` CPU devices; it must not have looked for its devices yet.

    XLA computes for all CPU devices with as many threads as there are cores. A device that waits for another to add its
    gradients keeps its thread; where none is left for the other, both wait for ever (seen on two cores after some
    hundred steps). XLA takes the number from ``NPROC``, which is left alone where it is set.
    """
    if devices > 1:
        os.environ.setdefault("NPROC", str(max(os.cpu_count() or 1, min(_PER_DEVICE * devices, _MOST_THREADS))))


class OneDevice:
    """What training asks of the devices it runs on; here the answers of a single one.

    ``process`` of ``processes``, counted from 0; number 0 is the one that writes.
    """

    devices = 1
    processes = 1
    process = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run."""
        return self.process == 0

    def scope(self) -> AbstractContextManager:
        """Return the context in which a model is built, trained and saved."""
        return nullcontext()

    def bring(self, feed: "Feed", recipe: Recipe) -> "DeviceFeed":
        """Return the batches of ``feed`` on the device; of several, each has an equal part of a batch.

        Where a step is compiled, the last batch has the shape of the others. Networks of one's own may look across a
        batch, and are never given what only fills it up.
        """
        from kerasae.data.batches import DeviceFeed

        is_own = isinstance(recipe.model, CodeModel | GivenModel)
        fill = 1 if worth_compiling() and not is_own else None
        return DeviceFeed(feed, kind=recipe.training.feed, fill=fill)

    def watch(self) -> AbstractContextManager:
        """Return the context in which several processes work together."""
        return nullcontext()

    def together(self, work: Callable[[], Any]) -> Any:
        """Return ``work()``; what it raises in one process is raised in all."""
        return work()

    def first_says(self, content: Callable[[], bytes]) -> bytes:
        """Return ``content()`` of the first process, in every process."""
        return content()

    def agree(self, what: str, mine: str) -> None:
        """Raise ``RunError`` in every process where ``mine`` is not what the first process has; ``what`` names it."""

    def describe(self) -> str:
        """Return the device in words, as it is stored with a run."""
        return describe_device()

    def as_dict(self) -> dict[str, int]:
        """Return what is stored with a run besides the words; nothing where there is nothing to say."""
        return {}


def join_processes() -> None:
    """Meet the processes of Keras' ``KERAS_DISTRIBUTION_…`` variables; does nothing where there are none or again.

    JAX must not have looked for its devices yet. Raises ``BackendError`` where the processes do not meet.
    """
    if processes_asked()[0] > 1:
        from kerasae.training.devices_jax import join

        join()


def leave_processes() -> None:
    """Wait until all processes are here and part; each goes on by itself with its own devices."""
    if "kerasae.training.devices_jax" in sys.modules:
        from kerasae.training.devices_jax import leave

        leave()


def choose_devices(recipe: Recipe) -> OneDevice:
    """Return the devices that ``recipe`` and the environment ask for; several processes meet here.

    Raises ``BackendError`` as ``asked_for`` does, and where there are fewer devices.
    """
    import keras

    asked = asked_for(recipe, keras.backend.backend())
    if asked.devices == 1:
        return OneDevice()
    ask_for_threads(asked.devices)
    join_processes()

    from kerasae.training.devices_jax import ManyDevices

    return ManyDevices(asked)
