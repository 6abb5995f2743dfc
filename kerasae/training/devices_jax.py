"""Many devices on JAX: Keras' ``DataParallel`` and what several processes have to tell each other."""

import atexit
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import jax
import keras
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import NamedSharding, PartitionSpec

from kerasae.data.batches import DeviceFeed, Feed
from kerasae.errors import BackendError, KerasaeError, RunError, TrainingError
from kerasae.recipes import Recipe
from kerasae.runtime import describe_device
from kerasae.training.devices import Asked, OneDevice

_FORCE = "--xla_force_host_platform_device_count"


def join() -> None:
    """Meet the other processes, once, over ``keras.distribution.initialize``."""
    if jax.distributed.is_initialized():
        return
    # Without it a CPU has no way to sum over processes; other devices bring their own.
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    _native_output_to_stderr()
    try:
        keras.distribution.initialize()
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BackendError(
            f"the processes of KERAS_DISTRIBUTION_JOB_ADDRESSES did not meet ({reason}); start all of them, with one "
            "address that each can reach, before anything else computes on JAX"
        ) from None


def leave() -> None:
    """Part from the other processes; waits for the last of them."""
    if jax.distributed.is_initialized():
        jax.distributed.shutdown()


class ManyDevices(OneDevice):
    """``DataParallel`` over an equal number of devices in each process.

    Weights are on every device; of each batch a device gets an equal part, and gradients are summed over all, so that
    a step is that of one device, within float tolerance. That holds for a last, smaller batch too: it is filled up, and
    what fills it has weight 0. It also holds for noise, flips and samples: JAX draws the number at one place of an
    array from the seed and the place alone (``jax_threefry_partitionable``, JAX's default), so neither the split nor
    what is filled up at the end changes what the images are given.

    Raises ``BackendError`` where there are fewer devices than ``asked``.
    """

    def __init__(self, asked: Asked):
        self.devices, self.processes, self.process = asked.devices, asked.processes, asked.process
        self.distribution = keras.distribution.DataParallel(
            devices=_first_of_each_process(asked),
            # The feed has split the batches already; that way it needs no tf.data.
            auto_shard_dataset=False,
        )

    def scope(self):
        """Return the context in which a model is built, trained and saved: its variables go to every device."""
        return self.distribution.scope()

    def bring(self, feed: Feed, recipe: Recipe) -> DeviceFeed:
        """Return the batches of ``feed`` on the devices, each of them filled up so that it divides over them."""
        return DeviceFeed(feed, kind=recipe.training.feed, fill=self.devices, place=self._place)

    def _place(self, array, axis: int | None = None):
        """Return an array that every process has, on every device, or in equal parts along ``axis``."""
        mesh = self.distribution.device_mesh.backend_mesh
        split = [None] * axis + [self.distribution.batch_dim_name] if axis is not None else []
        sharding = NamedSharding(mesh, PartitionSpec(*split))
        return jax.make_array_from_callback(array.shape, sharding, lambda part: array[part])

    @contextmanager
    def watch(self) -> Iterator[None]:
        """See to it that a process which stops in the middle ends at once, and that the others say so and end too."""
        try:
            yield
        except KerasaeError:
            # All processes were told the same and part in good order.
            raise
        except BaseException as error:
            if self.processes == 1:
                raise
            ended = error.code if isinstance(error, SystemExit) else 2
            _end_without_parting(130 if isinstance(error, KeyboardInterrupt) else ended)
            if not _speaks_of_a_lost_process(error):
                raise
            raise TrainingError(
                f"process {self.process} of {self.processes} lost the others ({str(error).splitlines()[0]}); start all "
                "of them again with the same command: it goes on where the last checkpoint was"
            ) from error

    def together(self, work: Callable[[], Any]) -> Any:
        """Return ``work()``; what a process is refused, all are refused, so that none waits for one that left."""
        result = refused = None
        try:
            result = work()
        except KerasaeError as error:
            refused = error
        if self.processes == 1:
            says = [refused is not None]
        else:
            says = multihost_utils.process_allgather(np.array(refused is not None)).tolist()
        if any(says):
            source = says.index(True)
            message = self._from(source, str(refused).encode() if source == self.process else b"").decode()
            raise refused or KerasaeError(f"process {source} of {self.processes} says: {message}")
        return result

    def first_says(self, content: Callable[[], bytes]) -> bytes:
        """Return ``content()`` of the first process, in every process."""
        return self._from(0, self.together(lambda: content() if self.is_first else b""))

    def agree(self, what: str, mine: str) -> None:
        """Raise ``RunError`` in every process where ``mine`` is not what the first process has."""
        first = self.first_says(mine.encode).decode()

        def compare():
            if mine != first:
                raise RunError(
                    f"the {what} of process {self.process} is {mine}, that of process 0 {first}; give all processes "
                    "the same recipe, options and images"
                )

        self.together(compare)

    def _from(self, source: int, content: bytes) -> bytes:
        if self.processes == 1:
            return content
        is_source = self.process == source
        length = int(multihost_utils.broadcast_one_to_all(np.array(len(content), "int32"), is_source))
        sent = np.frombuffer(content, "uint8") if is_source else np.zeros(length, "uint8")
        return multihost_utils.broadcast_one_to_all(sent, is_source).tobytes()

    def describe(self) -> str:
        """Return the devices in words."""
        where = f" in {self.processes} processes" if self.processes > 1 else ""
        return f"{self.devices} × {describe_device()}{where}"

    def as_dict(self) -> dict[str, int]:
        """Return how many devices and processes take part."""
        return {"devices": self.devices, "processes": self.processes}


def _speaks_of_a_lost_process(error: BaseException) -> bool:
    # The same loss comes as either of two errors, depending on where it was noticed.
    transport = ("Gloo", "NCCL", "Connection reset", "coordination")
    return isinstance(error, jax.errors.JaxRuntimeError | ValueError) and any(word in str(error) for word in transport)


def _end_without_parting(code: int) -> None:
    """Let this program end with ``code`` as soon as it wants to end; JAX would wait for processes that are gone."""

    def end():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

    # What is registered last is called first.
    atexit.register(end)


def _native_output_to_stderr() -> None:
    """Keep gloo's greetings out of the standard output, where a program may read JSON; Python's own stays there."""
    with suppress(OSError, ValueError, AttributeError):
        if sys.stdout.fileno() == 1:
            sys.stdout.flush()
            sys.stdout = open(os.dup(1), "w", encoding=sys.stdout.encoding, errors=sys.stdout.errors)  # noqa: SIM115
            os.dup2(2, 1)


def _first_of_each_process(asked: Asked) -> list[str]:
    """Return the names of the devices to use, those of each process together."""
    wanted = asked.devices // asked.processes
    cpus = sum(device.platform == "cpu" for device in jax.devices())
    if asked.processes > 1 and cpus > asked.processes:
        # Two processes of two forced devices each stopped for good in four of six tries (JAX 0.10.2, gloo).
        raise BackendError(
            f"{asked.processes} processes show {cpus} CPU devices; on CPUs each of several processes has to show one, "
            "since JAX can come to a stop with more; unset XLA_FLAGS"
        )
    names = []
    for process in range(asked.processes):
        there = [device for device in jax.devices() if device.process_index == process]
        if len(there) < wanted:
            raise BackendError(_too_few(asked, wanted, len(there), process))
        names += [f"{device.platform}:{device.id}" for device in there[:wanted]]
    return names


def _too_few(asked: Asked, wanted: int, there: int, process: int) -> str:
    where = f"process {process} of {asked.processes}" if asked.processes > 1 else "this machine"
    needs = f", {wanted} in each of {asked.processes} processes," if asked.processes > 1 else ""
    # Only a process by itself can show CPUs it does not have.
    forced = f", or for a try on the CPU make it show more with XLA_FLAGS={_FORCE}={wanted}"
    return (
        f"training.devices = {asked.devices}{needs} is more than there are: {where} has {there} ({describe_device()}); "
        f"take at most {there * asked.processes}{forced if asked.processes == 1 else ''}"
    )
