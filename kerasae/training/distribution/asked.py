"""How many devices and processes are asked for: read from recipe and environment, before a backend is loaded."""

import os
from dataclasses import dataclass

from kerasae.errors import BackendError
from kerasae.recipe import Recipe

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
