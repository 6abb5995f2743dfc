"""Jobs on a Ray cluster: ``RayEngine``, what runs on a node, and the connection to the cluster.

A node gets a ``Job`` and an archive of the run as it is so far, and returns an ``Outcome`` and an archive of what it
made, so that machines need no disk in common.
"""

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
from kerasae.studies.engines.archives import (
    archive_names,
    check_storage,
    digest,
    download,
    pack,
    pack_run,
    unpack,
    unpack_run,
    upload,
)
from kerasae.studies.engines.process import available_cores
from kerasae.studies.plan import Event, Job, Outcome
from kerasae.studies.run import run_job

_THREADS = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),  # PyTorch, NumPy
    *("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"),
    "NPROC",  # the pool of XLA on a CPU
)


def run_job_on_node(
    plain: dict[str, Any],
    *,
    archive: bytes,
    version: str,
    directory: str,
    storage: str | None,
    report: Callable[[str, int, int], None],
) -> dict[str, Any]:
    """Run the job ``plain``; return its ``outcome``, and ``archive`` or, where it is in ``storage``, its ``place``.

    ``archive`` holds the run as it is so far, ``version`` is the caller's, ``directory`` is where to work, and
    ``report(kind, done, total)`` passes events on. Everything returned is plain data.
    """
    job, host = Job.from_dict(plain), socket.gethostname()
    if version != kerasae.__version__:
        message = f"{host} has kerasae {kerasae.__version__}, the study runs with {version}; install the same on all"
        return {"outcome": asdict(Outcome("failed", message))}
    limit_resources(job)
    if Path(directory).is_dir():
        os.chdir(directory)  # a source of images may be named relative to it
    report("started", 0, 0)
    with tempfile.TemporaryDirectory(prefix="kerasae-") as scratch:
        runs, folder = Path(scratch, "runs"), Path(scratch, "study")
        for path in (runs, folder):
            path.mkdir()
        if archive:
            unpack(archive, runs)
        moved = replace(job, runs=str(runs), folder=str(folder))
        outcome = run_job(moved, partial(report, "progress"))
        if outcome.status == "failed":
            message = outcome.message.replace(str(runs), job.runs).replace(str(folder), job.folder)
            outcome = replace(outcome, message=f"{message} (on {host})")
        made = pack(runs if job.kind == "run" else folder)
    if storage is None or job.kind == "timing":
        return {"outcome": asdict(outcome), "archive": made}
    place = upload(made, storage, f"{job.name.replace(' ', '-')}.tar")
    return {"outcome": asdict(outcome), "place": place, "sha256": digest(made)}


def limit_resources(job: Job) -> None:
    """Bound what ``job`` uses of the node to what Ray has reserved for it, before a backend loads.

    Threads are bounded by number. Ray counts cores and names none, and in a container two jobs that pinned themselves
    would choose the same ones; so none is pinned, and last bits may differ from those of ``--engine process``.
    """
    os.environ.update(dict.fromkeys(_THREADS, str(max(1, math.ceil(job.cpus)))))
    if not job.gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    elif job.gpus < 1:  # it is shared: no backend may take all its memory at the start
        os.environ |= {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}


class MessageQueue:
    """Messages from tasks to the driver, kept by an actor; nothing depends on one arriving."""

    def __init__(self):
        self.messages = []

    def put(self, message: tuple) -> None:
        """Add ``message``."""
        self.messages.append(message)

    def take(self) -> list[tuple]:
        """Return the messages since the last call."""
        messages, self.messages = self.messages, []
        return messages


def put_message(queue, job: str, attempt: int, kind: str, done: int, total: int) -> None:
    """Put a message into ``queue``, an actor, without waiting for it."""
    queue.put.remote((job, attempt, kind, done, total))


_RETRIES = 3
_POLL_SECONDS = 0.3
_UNSCHEDULABLE_SECONDS = 60


class RaySession:
    """The jobs of one call of the engine, and how far each is."""

    def __init__(self, ray: ModuleType, on_event: Callable[[Event], None], storage: str | None):
        self.ray = ray
        self.on_event = on_event
        self.storage = storage
        self.outcomes: dict[str, Outcome] = {}
        self._attempts: dict[str, int] = {}
        self._started: set[str] = set()
        self._sent_files: dict[str, list[str]] = {}
        self._running: dict = {}
        # Ray would submit a lost task again by itself, without notice.
        self._task = ray.remote(max_calls=1, max_retries=0)(run_job_on_node)
        strategy = ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            ray.get_runtime_context().get_node_id(), soft=False
        )
        # On the driver's own node it is lost only together with the driver.
        self._queue = ray.remote(num_cpus=0, scheduling_strategy=strategy)(MessageQueue).remote()
        self._messages = self._queue.take.remote()
        self._last_schedulable = time.monotonic()

    def run(self, jobs: Sequence[Job]) -> dict[str, Outcome]:
        """Run every job and return name → outcome."""
        for job in jobs:
            self._submit(job)
        while self._running:
            ready, _ = self.ray.wait(list(self._running), num_returns=1, timeout=_POLL_SECONDS)
            self._read_messages()
            for reference in ready:
                self._finish(reference, self._running.pop(reference))
            self._fail_unschedulable()
        return self.outcomes

    def stop(self) -> None:
        """End whatever still runs."""
        # A cluster that is gone has nothing to end.
        with contextlib.suppress(Exception):
            for reference in self._running:
                self.ray.cancel(reference, force=True)
            self.ray.kill(self._queue)

    def _submit(self, job: Job) -> None:
        self._attempts[job.name] = attempt = self._attempts.get(job.name, 0) + 1
        self._started.discard(job.name)
        archive = pack_run(job) if job.kind == "run" else b""
        self._sent_files[job.name] = archive_names(archive)
        # Ray takes parts of one, or whole numbers.
        cpus, gpus = (math.ceil(amount) if amount > 1 else amount for amount in (job.cpus, job.gpus))
        reference = self._task.options(name=job.name, num_cpus=cpus, num_gpus=gpus).remote(
            job.as_dict(),
            # Held by the driver's node, so that it is still there when another is lost.
            archive=self.ray.put(archive),
            version=kerasae.__version__,
            directory=os.getcwd(),
            storage=self.storage,
            report=partial(put_message, self._queue, job.name, attempt),
        )
        self._running[reference] = job

    def _read_messages(self) -> None:
        ready, _ = self.ray.wait([self._messages], timeout=0)
        if not ready:
            return
        try:
            messages = self.ray.get(self._messages)
        except self.ray.exceptions.RayError:
            return  # no more progress; jobs go on
        self._messages = self._queue.take.remote()
        for name, attempt, kind, done, total in messages:
            if name in self.outcomes or attempt != self._attempts[name]:
                continue
            self._report_started(name)
            if kind == "progress":
                self.on_event(Event("progress", name, done=done, total=total))

    def _report_started(self, name: str) -> None:
        if name not in self._started:
            self._started.add(name)
            self.on_event(Event("started", name))

    def _finish(self, reference, job: Job) -> None:
        errors = self.ray.exceptions
        try:
            result = self.ray.get(reference)
        except errors.RayTaskError as error:
            cure = f"; install kerasae {kerasae.__version__} on every node" if "named 'kerasae" in str(error) else ""
            self._end(job, Outcome("failed", f"its task failed: {_last_line(error)}{cure}"))
        except errors.RayError as error:
            if self._attempts[job.name] <= _RETRIES:
                self._submit(job)
            else:
                message = f"its process was lost {self._attempts[job.name]} times, the last time: {_last_line(error)}"
                self._end(job, Outcome("failed", message))
        else:
            self._end(job, self._store_result(job, result))

    def _store_result(self, job: Job, result: dict) -> Outcome:
        outcome = Outcome(**result["outcome"])
        try:
            archive = download(result["place"], result["sha256"]) if "place" in result else result.get("archive", b"")
            if archive and job.kind == "run":
                unpack_run(archive, job, self._sent_files[job.name])
            elif archive and job.kind != "timing":
                unpack(archive, Path(job.folder))
        except (KerasaeError, OSError, tarfile.TarError) as error:
            return Outcome("failed", f"its result could not be brought back: {error}", outcome.seconds)
        return outcome

    def _end(self, job: Job, outcome: Outcome) -> None:
        self._report_started(job.name)
        self.outcomes[job.name] = outcome
        self.on_event(Event("ended", job.name, outcome=outcome))

    def _fail_unschedulable(self) -> None:
        """Fail the jobs that no remaining node could ever run: Ray would have them wait for one for good."""
        waiting = {ref: job for ref, job in self._running.items() if job.name not in self._started}
        stuck = {ref: job for ref, job in waiting.items() if not fits_a_node(self.ray, job)}
        if not stuck:
            self._last_schedulable = time.monotonic()
        elif time.monotonic() - self._last_schedulable > _UNSCHEDULABLE_SECONDS:
            for reference, job in stuck.items():
                self.ray.cancel(reference, force=True)
                del self._running[reference]
                self._end(job, Outcome("failed", f"no node is left that has {job.cpus:g} CPUs and {job.gpus:g} GPUs"))


def fits_a_node(ray: ModuleType, job: Job) -> bool:
    """Return whether a node of the cluster is large enough for ``job``, were it idle."""
    wanted = {name: amount for name, amount in (("CPU", job.cpus), ("GPU", job.gpus)) if amount}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes)


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


# Read by Ray when it is imported or started: no report to its makers, no advice, and nothing printed on the driver of
# lost nodes and the end of their logs; what a job without GPUs sees is set by its task.
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",
}
_SILENT = {"log_to_driver": False, "logging_level": logging.ERROR}
# Ray takes the address of a network card for 127.0.0.1 unless this is set before it is imported.
_LOOPBACK = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
_TIMEOUT_SECONDS = 10
# Results are small; what does not fit is spilled to disk.
_OBJECT_STORE_BYTES = 200_000_000


@contextlib.contextmanager
def connect(address: str | None) -> Iterator[ModuleType]:
    """Yield the module ``ray``, connected to the cluster at ``address`` (``host:port`` or ``auto``).

    Without an address a cluster of this machine alone is started, on the loopback interface, and ended on leaving.
    A process that is connected already stays so. Raises ``StudyError`` where Ray is not installed, or there is no
    cluster at ``address``.
    """
    if importlib.util.find_spec("ray") is None:
        raise StudyError("--engine ray needs Ray, which is not installed; pip install 'kerasae[ray]'")
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if address is None:
        os.environ.setdefault(_LOOPBACK, "0")
    else:
        _check_address(address)
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
        yield ray
    finally:
        ray.shutdown()


def _check_address(address: str) -> None:
    """Raise ``StudyError`` where no cluster answers at ``address``: Ray itself would go on trying for minutes."""
    where = address
    if address == "auto":
        # The order and the file that ray.init documents.
        started = Path(os.environ.get("RAY_TMPDIR", "/tmp"), "ray", "ray_current_cluster")
        where = os.environ.get("RAY_ADDRESS") or (started.read_text().strip() if started.is_file() else None)
    if where is None:
        raise StudyError(
            "--address auto found no Ray cluster on this machine; start one with: ray start --head; or give host:port"
        )
    host, _, port = where.rpartition(":")
    if not host or not port.isdigit() or "/" in host:
        raise StudyError(f"--address {where!r} is not an address; it is host:port, such as 10.0.0.1:6379, or auto")
    try:
        _try_connection(host.strip("[]"), int(port))
    except (OSError, OverflowError) as error:
        raise StudyError(
            f"no Ray cluster answers at {where} ({error}); start one there with: ray start --head --port {port}"
        ) from None
    if host in ("127.0.0.1", "localhost", "[::1]") and not _is_on_network(int(port)):
        os.environ.setdefault(_LOOPBACK, "0")
    _try_cluster(address)


def _try_connection(host: str, port: int) -> None:
    socket.create_connection((host, port), timeout=_TIMEOUT_SECONDS).close()


def _is_on_network(port: int) -> bool:
    """Return whether what listens here on ``port`` does so at the machine's own address too."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("10.255.255.255", 1))  # sends nothing, but finds the card that would
            _try_connection(probe.getsockname()[0], port)
        except OSError:
            return False
    return True


def _try_cluster(address: str) -> None:
    """Connect in a process of its own, which can be ended where something else than Ray listens at ``address``."""
    script = "import ray, sys; ray.init(address=sys.argv[1], log_to_driver=False, logging_level='ERROR')"
    command = [sys.executable, "-c", script, address]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=6 * _TIMEOUT_SECONDS)
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


class RayEngine:
    """Runs jobs on the Ray cluster at ``address``, or on one of this machine that lasts as long as the study.

    Every job has a fresh process with the CPUs and GPUs that it asks for, so that each may have its backend. kerasae
    must be installed on every node in this version, and images must be where the recipe says they are. Nodes need no
    disk in common: what a job has made comes back to the runs folder here through Ray's object store, or through
    ``storage``, a path or fsspec URL that all machines see, where it stays as ``<run>.tar``.

    A job whose process or node is lost is run again elsewhere, up to three times, from where it was when it was
    sent; one that fails by its own fault is not.
    """

    # Only the cluster knows how many it runs at a time.
    workers = 1

    def __init__(self, address: str | None = None, storage: str | None = None):
        self.address = address
        self.storage = storage

    def __call__(self, jobs: Sequence[Job], on_event: Callable[[Event], None]) -> dict[str, Outcome]:
        """Run every job; see the package. Raises ``StudyError`` where there is no cluster, or it is too small."""
        with connect(self.address) as ray:
            storage = check_storage(self.storage) if self.storage else None
            for job in jobs:
                if not fits_a_node(ray, job):
                    raise StudyError(
                        f"no node of the Ray cluster has {job.cpus:g} CPUs and {job.gpus:g} GPUs, which {job.name} "
                        "asks for; ask for less in the study's cpus and gpus, or add such a node first"
                    )
            session = RaySession(ray, on_event, storage)
            try:
                return session.run(jobs)
            finally:
                session.stop()
