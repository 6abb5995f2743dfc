"""What a worker process runs: jobs from a pipe, one after the other."""

import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from multiprocessing.connection import Connection

from kerasae.studies.job import Event, Job
from kerasae.studies.perform import perform


def serve(connection: Connection, environment: Mapping[str, str], cores: Sequence[int], parent: int) -> None:
    """Do jobs that arrive as dictionaries on ``connection``, and send ``Event``s back, until it is closed.

    ``environment`` and ``cores`` are settled before any backend loads; ``parent`` is the process to die with.
    """
    _die_with(parent)
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
        outcome = perform(
            job, lambda done, total, name=job.name: connection.send(Event("progress", name, done=done, total=total))
        )
        connection.send(Event("ended", job.name, outcome=outcome))


def _die_with(parent: int) -> None:
    """Have the system end this process with its parent, so that a killed study leaves nobody training in its runs."""
    if not sys.platform.startswith("linux"):
        return  # elsewhere the next word to a parent that is gone ends it
    die_of_signal = 1  # PR_SET_PDEATHSIG
    ctypes.CDLL(None).prctl(die_of_signal, signal.SIGKILL)
    if os.getppid() != parent:  # it went while this process was starting
        os._exit(1)
