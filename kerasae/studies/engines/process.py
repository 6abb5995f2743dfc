"""Jobs in processes on this machine: ``ProcessEngine``, what its workers run, and who gets which cores and GPU."""

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from pathlib import Path

from kerasae.studies.plan import Event, Job, Outcome
from kerasae.studies.run import run_job


def available_cores() -> list[int]:
    """Return the cores that this process may use; an empty list where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def visible_gpus() -> list[str]:
    """Return the NVIDIA GPUs that this process may use, found without loading a backend."""
    chosen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if chosen is not None:
        return [part for part in chosen.split(",") if part.strip() and part != "-1"]
    devices = Path("/dev").glob("nvidia[0-9]*")
    return sorted((path.name.removeprefix("nvidia") for path in devices), key=int)


def default_workers() -> int:
    """Return one worker per GPU where there are any, else one per core: small models use one core best."""
    return len(visible_gpus()) or len(available_cores()) or os.cpu_count() or 1


def worker_cores(place: int, workers: int) -> list[int]:
    """Return the cores of worker ``place`` of ``workers``, the same number for each.

    The same number even where some cores stay idle: how many threads a run has decides its last bits. No core where
    there are more workers than cores, which then share them as the system sees fit.
    """
    cores = available_cores()
    share = len(cores) // workers
    return cores[place * share : (place + 1) * share]


def _worker_gpu(place: int) -> dict[str, str]:
    """Return the environment in which worker ``place`` sees one GPU; empty where there is none."""
    gpus = visible_gpus()
    return {"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {}


def serve(connection: Connection, environment: Mapping[str, str], cores: Sequence[int], parent: int) -> None:
    """Run jobs that arrive as dictionaries on ``connection``, and send ``Event``s back, until it is closed.

    ``environment`` and ``cores`` are set before any backend loads; the process ends with ``parent``.
    """
    _end_with(parent)
    # Ctrl-C reaches the whole group; the parent ends its workers itself.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, cores)
        for library in ("OMP", "OPENBLAS", "MKL"):
            os.environ[f"{library}_NUM_THREADS"] = str(len(cores))
    while True:
        try:
            job = Job.from_dict(connection.recv())
        except EOFError:
            return

        def report(done: int, total: int, name: str = job.name) -> None:
            connection.send(Event("progress", name, done=done, total=total))

        outcome = run_job(job, report)
        connection.send(Event("ended", job.name, outcome=outcome))


def _end_with(parent: int) -> None:
    """Have the system end this process with its parent, so that a killed study leaves nobody training in its runs."""
    if not sys.platform.startswith("linux"):
        return  # elsewhere the next message to a parent that is gone ends it
    set_parent_death_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it went while this process was starting
        os._exit(1)


_ATTEMPTS = 2
# To write a checkpoint takes a second, to come to a stop inside a compiler longer.
_SECONDS_TO_END = 10


class ProcessEngine:
    """Runs jobs in ``workers`` processes, one job each at a time.

    Each worker has its share of the cores for itself, so that a run is the same to the bit whatever runs beside it. A
    worker keeps its backend, and a new one takes its place where the next job wants another. The job of a worker that
    dies is tried once more, then counted as failed. ``serve`` is what a worker runs.
    """

    def __init__(self, workers: int | None = None, *, serve: Callable[..., None] = serve):
        self.workers = workers or default_workers()
        self.serve = serve

    def __call__(self, jobs: Sequence[Job], on_event: Callable[[Event], None]) -> dict[str, Outcome]:
        """Run every job; see the package."""
        waiting = list(jobs)
        outcomes: dict[str, Outcome] = {}
        attempts: dict[str, int] = {}
        pool = [_Worker(place, self.workers, self.serve) for place in range(min(self.workers, len(waiting)))]
        try:
            while waiting or any(worker.job for worker in pool):
                for worker in pool:
                    if worker.job is None and waiting:
                        job = waiting.pop(0)
                        attempts[job.name] = attempts.get(job.name, 0) + 1
                        worker.send(job)
                        on_event(Event("started", job.name))
                ready = wait([worker.connection for worker in pool if worker.job])
                for worker in [one for one in pool if one.connection in ready]:
                    job = worker.job
                    event = worker.receive()
                    if event is None and attempts[job.name] < _ATTEMPTS:
                        waiting.insert(0, job)
                    elif event is None:
                        event = Event("ended", job.name, outcome=Outcome("failed", worker.exit_message))
                    if event:
                        on_event(event)
                    if event and event.kind == "ended":
                        outcomes[job.name] = event.outcome
        finally:
            for worker in pool:
                worker.end()
            for worker in pool:
                worker.stop()
        return outcomes


class _Worker:
    """One process, or none yet, and the job it has."""

    def __init__(self, place: int, workers: int, serve: Callable[..., None]):
        self.place = place
        self.workers = workers
        self.serve = serve
        self.process = None
        self.connection: Connection | None = None
        self.backend: str | None = None
        self.job: Job | None = None
        self.exit_message = ""

    def send(self, job: Job) -> None:
        """Send ``job``, to a new process where this one has another backend or is gone."""
        if self.backend != job.backend or not self.process or not self.process.is_alive():
            self.stop()
            self._start(job.backend)
        self.job = job
        # A process that has just died is noticed in ``receive``.
        with contextlib.suppress(OSError):
            self.connection.send(job.as_dict())

    def receive(self) -> Event | None:
        """Return the next event of its job; None where the process has ended, as ``exit_message`` says."""
        try:
            event = self.connection.recv()
        except (EOFError, OSError):
            self.process.join()
            code = self.process.exitcode
            how = f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
            memory = "; it may have run out of memory (try fewer --workers)" if code == -9 else ""
            self.exit_message = f"its process {how}{memory}"
            self.job = self.backend = None
            return None
        if event.kind == "ended":
            self.job = None
        return event

    def end(self) -> None:
        """Tell the process to end, but not before it has kept the last finished epoch of the run it is at."""
        if self.process:
            self.process.terminate()

    def stop(self) -> None:
        """End the process, at once where it does not go by itself; its run goes on another time."""
        if self.process:
            self.end()
            self.process.join(_SECONDS_TO_END)
            self.process.kill()
            self.process.join()
            self.connection.close()
        self.process = self.backend = self.job = None

    def _start(self, backend: str) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        environment = {"KERAS_BACKEND": backend} | _worker_gpu(self.place)
        arguments = (theirs, environment, worker_cores(self.place, self.workers), os.getpid())
        self.process = context.Process(
            target=self.serve, args=arguments, daemon=True, name=f"kerasae worker {self.place}"
        )
        self.process.start()
        theirs.close()
        self.backend = backend
