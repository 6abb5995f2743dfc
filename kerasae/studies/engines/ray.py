"""Where workers on other machines leave word for the driver."""

import contextlib
import importlib.util
import logging
import math
import os
import socket
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import kerasae
from kerasae.errors import KerasaeError, StudyError
from kerasae.studies.engines.parcels import (
    check_storage,
    digest,
    fetch,
    names_in,
    pack,
    pack_run,
    put,
    unpack,
    unpack_run,
)
from kerasae.studies.engines.process import available_cores
from kerasae.studies.plan import Event, Job, Outcome


class Board:
    """A list of messages, kept by an actor on the driver's node; nothing depends on one arriving."""

    def __init__(self):
        self.messages = []

    def write(self, message: tuple) -> None:
        """Keep ``message``."""
        self.messages.append(message)

    def read(self) -> list[tuple]:
        """Return the messages since the last time."""
        messages, self.messages = self.messages, []
        return messages


def leave_word(board, job: str, attempt: int, kind: str, done: int, total: int) -> None:
    """Write to ``board``, an actor, without waiting for it."""
    board.write.remote((job, attempt, kind, done, total))


Tell = Callable[[str, int, int], None]

_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),  # PyTorch, NumPy
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "NPROC",  # the pool of XLA on a CPU
)


def do_job(
    plain: dict[str, Any],
    *,
    parcel: bytes,
    version: str,
    directory: str,
    storage: str | None,
    tell: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Do the job ``plain`` and return ``outcome``, and ``parcel`` or, where it is in ``storage``, ``place`` of it.

    ``parcel`` holds what there is of the run already, ``version`` is the caller's, ``directory`` where it works, and
    ``tell(kind, done, total)`` passes word of the job on. Everything returned is plain data.
    """
    # With Keras and a backend behind it, which whoever only plans a study need not load.
    from kerasae.studies.perform import perform

    job, here = Job.from_dict(plain), socket.gethostname()
    if version != kerasae.__version__:
        message = f"{here} has kerasae {kerasae.__version__}, the study runs with {version}; install the same on all"
        return {"outcome": asdict(Outcome("failed", message))}
    settle(job)
    if Path(directory).is_dir():
        os.chdir(directory)  # a source of images may be named relative to it
    tell("started", 0, 0)
    with tempfile.TemporaryDirectory(prefix="kerasae-") as scratch:
        runs, folder = Path(scratch, "runs"), Path(scratch, "study")
        for path in (runs, folder):
            path.mkdir()
        if parcel:
            unpack(parcel, runs)
        moved = replace(job, runs=str(runs), folder=str(folder))
        outcome = perform(moved, lambda done, total: tell("progress", done, total))
        if outcome.status == "failed":
            message = outcome.message.replace(str(runs), job.runs).replace(str(folder), job.folder)
            outcome = replace(outcome, message=f"{message} (on {here})")
        return {"outcome": asdict(outcome)} | _results(job, pack(runs if job.kind == "run" else folder), storage)


def settle(job: Job) -> None:
    """Bound what ``job`` uses of the node to what Ray has set aside for it, before a backend loads.

    Threads are bounded by number. Ray counts cores and names none, and in a container two jobs that pinned themselves
    would choose the same ones; so none is pinned, and last bits may differ from those of ``--engine process``.
    """
    os.environ.update(dict.fromkeys(_THREADS, str(max(1, math.ceil(job.cpus)))))
    if not job.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif job.gpus < 1:  # it is shared: no backend may take all its memory at the start
        os.environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


def _results(job: Job, parcel: bytes, storage: str | None) -> dict[str, Any]:
    if storage is None or job.kind == "timing":
        return {"parcel": parcel}
    name = f"{job.name.replace(' ', '-')}.tar"
    return {"place": put(parcel, storage, name), "sha256": digest(parcel)}


_LOOK_SECONDS = 0.3
_HOMELESS_SECONDS = 60


class RaySession:
    """The jobs of one call of the engine, and how far each is."""

    def __init__(
        self, ray: ModuleType, listen: Callable[[Event], None], *, storage: str | None = None, retries: int = 3
    ):
        self.ray = ray
        self.listen = listen
        self.storage = storage
        self.retries = retries
        self.outcomes: dict[str, Outcome] = {}
        self._tries: dict[str, int] = {}
        self._started: set[str] = set()
        self._sent_files: dict[str, list[str]] = {}
        self._running: dict = {}
        # Ray would send a lost task again by itself, and tell nobody.
        self._task = ray.remote(max_calls=1, max_retries=0)(do_job)
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        # On the driver's own node it is lost only together with the driver.
        self._board = ray.remote(num_cpus=0, scheduling_strategy=strategy)(Board).remote()
        self._reading = self._board.read.remote()
        self._housed = time.monotonic()

    def do(self, jobs: Sequence[Job]) -> dict[str, Outcome]:
        """Do every job and return name → outcome."""
        for job in jobs:
            self._send(job)
        while self._running:
            ready, _ = self.ray.wait(list(self._running), num_returns=1, timeout=_LOOK_SECONDS)
            self._read_board()
            for reference in ready:
                self._gather(reference, self._running.pop(reference))
            self._give_up_homeless()
        return self.outcomes

    def stop(self) -> None:
        """End whatever still runs."""
        # A cluster that is gone has nothing to end.
        with contextlib.suppress(Exception):
            for reference in self._running:
                self.ray.cancel(reference, force=True)
            self.ray.kill(self._board)

    def _send(self, job: Job) -> None:
        self._tries[job.name] = attempt = self._tries.get(job.name, 0) + 1
        self._started.discard(job.name)
        parcel = pack_run(job) if job.kind == "run" else b""
        self._sent_files[job.name] = names_in(parcel)
        reference = self._task.options(name=job.name, num_cpus=_whole(job.cpus), num_gpus=_whole(job.gpus)).remote(
            job.as_dict(),
            # Held by the driver's node, so that it is still there when another is lost.
            parcel=self.ray.put(parcel),
            version=kerasae.__version__,
            directory=os.getcwd(),
            storage=self.storage,
            tell=partial(leave_word, self._board, job.name, attempt),
        )
        self._running[reference] = job

    def _read_board(self) -> None:
        ready, _ = self.ray.wait([self._reading], timeout=0)
        if not ready:
            return
        try:
            messages = self.ray.get(self._reading)
        except self.ray.exceptions.RayError:
            return  # no more word of epochs; jobs go on
        self._reading = self._board.read.remote()
        for name, attempt, kind, done, total in messages:
            if name in self.outcomes or attempt != self._tries[name]:
                continue
            self._tell_started(name)
            if kind == "progress":
                self.listen(Event("progress", name, done=done, total=total))

    def _tell_started(self, name: str) -> None:
        if name not in self._started:
            self._started.add(name)
            self.listen(Event("started", name))

    def _gather(self, reference, job: Job) -> None:
        errors = self.ray.exceptions
        try:
            result = self.ray.get(reference)
        except errors.RayTaskError as error:
            cure = f"; install kerasae {kerasae.__version__} on every node" if "named 'kerasae" in str(error) else ""
            self._end(job, Outcome("failed", f"its task failed: {_last_line(error)}{cure}"))
        except errors.RayError as error:
            if self._tries[job.name] <= self.retries:
                self._send(job)
            else:
                message = f"its process was lost {self._tries[job.name]} times, the last time: {_last_line(error)}"
                self._end(job, Outcome("failed", message))
        else:
            self._end(job, self._bring_home(job, result))

    def _bring_home(self, job: Job, result: dict) -> Outcome:
        outcome = Outcome(**result["outcome"])
        try:
            parcel = fetch(result["place"], result["sha256"]) if "place" in result else result.get("parcel", b"")
            if parcel and job.kind == "run":
                unpack_run(parcel, job, self._sent_files[job.name])
            elif parcel and job.kind != "timing":
                unpack(parcel, Path(job.folder))
        except (KerasaeError, OSError, tarfile.TarError) as error:
            return Outcome("failed", f"its result could not be brought back: {error}", outcome.seconds)
        return outcome

    def _end(self, job: Job, outcome: Outcome) -> None:
        self._tell_started(job.name)
        self.outcomes[job.name] = outcome
        self.listen(Event("ended", job.name, outcome=outcome))

    def _give_up_homeless(self) -> None:
        """Fail the jobs that no node left could ever do: Ray would have them wait for one for good."""
        waiting = {ref: job for ref, job in self._running.items() if job.name not in self._started}
        homeless = {ref: job for ref, job in waiting.items() if not could_do(self.ray, job)}
        if not homeless:
            self._housed = time.monotonic()
        elif time.monotonic() - self._housed > _HOMELESS_SECONDS:
            for reference, job in homeless.items():
                self.ray.cancel(reference, force=True)
                del self._running[reference]
                self._end(job, Outcome("failed", f"no node is left that has {job.cpus:g} CPUs and {job.gpus:g} GPUs"))


def _whole(amount: float) -> float:
    """Return ``amount`` as Ray takes it: parts of one, or whole ones."""
    return math.ceil(amount) if amount > 1 else amount


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


# No report to Ray's makers and no advice on the terminal; what a job without GPUs sees is settled by its task.
_QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}
_SILENT = {"log_to_driver": False, "logging_level": logging.ERROR}
# Ray takes the address of a network card for 127.0.0.1 unless this is set before it is imported.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_PATIENCE_SECONDS = 10
# Results are small; what does not fit is spilled to disk.
_OBJECT_STORE_BYTES = 200_000_000


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[ModuleType]:
    """Yield the module ``ray``, connected to the cluster at ``address`` (``host:port`` or ``auto``).

    Without an address a cluster of this machine alone is started, on the loopback interface, and ended on leaving.
    A process that is connected already stays so. Raises ``StudyError`` where Ray is not installed, or there is no
    cluster at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        raise StudyError("--engine ray needs Ray, which is not installed; pip install 'kerasae[ray]'")
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ.setdefault(_LOOPBACK, "0")
    else:
        _refuse_silence(address)
    import ray

    if ray.is_initialized():
        yield ray
        return
    try:
        if address is None:
            own = {"num_cpus": len(available_cores()) or None, "object_store_memory": _OBJECT_STORE_BYTES}
            ray.init(address="local", include_dashboard=False, **_SILENT, **own)
        else:
            ray.init(address=address, **_SILENT)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
        where = "a cluster on this machine" if address is None else f"the cluster at {address}"
        raise StudyError(f"Ray cannot use {where}: {' '.join(str(error).split())}") from None
    try:
        with _nothing_on_stdout(ray):
            yield ray
    finally:
        ray.shutdown()


def could_do(ray: ModuleType, job: Job) -> bool:
    """Return whether a node of the cluster is large enough for ``job``, were it idle."""
    wanted = {name: amount for name, amount in (("CPU", job.cpus), ("GPU", job.gpus)) if amount}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes)


def _refuse_silence(address: str) -> None:
    """Raise ``StudyError`` where no cluster answers at ``address``: Ray itself would go on trying for minutes."""
    where = address
    if address == "auto":
        where = os.environ.get("RAY_ADDRESS") or _last_started()
    if where is None:
        raise StudyError(
            "--address auto found no Ray cluster on this machine; start one with: ray start --head; or give host:port"
        )
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise StudyError(f"--address {where!r} is not an address; it is host:port, such as 10.0.0.1:6379, or auto")
    try:
        _connect(host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise StudyError(
            f"no Ray cluster answers at {where} ({error}); start one there with: ray start --head --port {port}"
        ) from None
    if host in ("127.0.0.1", "localhost", "[::1]") and not _is_on_network(int(port)):
        os.environ.setdefault(_LOOPBACK, "0")
    _try_out(address)


def _connect(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=_PATIENCE_SECONDS).close()


def _is_on_network(port: int) -> bool:
    """Return whether what listens here on ``port`` does so at the machine's own address too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            asking.connect(("10.255.255.255", 1))  # sends nothing, but finds the card that would
            _connect(asking.getsockname()[0], port)
        except OSError:
            return False
    return True


def _try_out(address: str) -> None:
    """Connect in a process of its own, which can be ended where something else than Ray listens at ``address``."""
    script = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    command = [sys.executable, "-c", script, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=6 * _PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        raise StudyError(
            f"what listens at {address} does not answer as a Ray cluster does; give the address that `ray status` shows"
        ) from None
    if "InvalidAuthToken" in done.stderr:
        raise StudyError(
            f"the Ray cluster at {address} asks for a token; set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN_PATH where "
            "the token is not in ~/.ray/auth_token"
        )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise StudyError(f"Ray cannot use the cluster at {address}: {last}")


@contextlib.contextmanager
def _nothing_on_stdout(ray: ModuleType) -> Iterator[None]:
    """Keep Ray from writing of lost nodes, and the end of their logs, among a study's own lines; no setting does."""
    worker = getattr(getattr(ray, "_private", None), "worker", None)
    if not hasattr(worker, "print_to_stdstream"):
        yield
        return
    kept, worker.print_to_stdstream = worker.print_to_stdstream, lambda *_, **__: None
    try:
        yield
    finally:
        worker.print_to_stdstream = kept


def _last_started() -> str | None:
    path = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
    return path.read_text().strip() if path.is_file() else None


class RayEngine:
    """Does jobs on the Ray cluster at ``address``, or on one of this machine that lasts as long as the study.

    Every job has a fresh process with the CPUs and GPUs that it asks for, so that each may have its backend. kerasae
    must be installed on every node in this version, and images must be where the recipe says they are. Nodes need no
    disk in common: what a job has made comes back to the runs folder here through Ray's object store, or through
    ``storage``, a path or fsspec URL that all machines see, where it stays as ``<run>.tar``.

    A job whose process or node is lost is done again elsewhere, up to ``retries`` times, from where it was when it was
    sent; one that fails by its own fault is not.
    """

    def __init__(self, address: str | None = None, storage: str | None = None, retries: int = 3):
        self.address = address
        self.storage = storage
        self.retries = retries

    def __call__(self, jobs: Sequence[Job], listen: Callable[[Event], None]) -> dict[str, Outcome]:
        """Do every job; see the package. Raises ``StudyError`` where the cluster cannot be had or is too small."""
        with connected(self.address) as ray:
            storage = check_storage(self.storage) if self.storage else None
            for job in jobs:
                if not could_do(ray, job):
                    raise StudyError(
                        f"no node of the Ray cluster has {job.cpus:g} CPUs and {job.gpus:g} GPUs, which {job.name} "
                        "asks for; ask for less in the study's cpus and gpus, or add such a node first"
                    )
            session = RaySession(ray, listen, storage=storage, retries=self.retries)
            try:
                return session.do(jobs)
            finally:
                session.stop()
