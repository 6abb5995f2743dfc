"""Jobs on a cluster: sent out, watched, sent again where they are lost, and brought home."""

import contextlib
import math
import os
import tarfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType

import kerasae
from kerasae.errors import KerasaeError
from kerasae.studies.engines.artifacts import fetch, names_in, unpack
from kerasae.studies.engines.ray_board import Board, leave_word
from kerasae.studies.engines.ray_cluster import could_do
from kerasae.studies.engines.ray_task import do_job
from kerasae.studies.engines.run_parcels import pack_run, unpack_run
from kerasae.studies.job import Event, Job, Outcome

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
