"""What Ray runs on a node: one job, in a scratch folder of the node."""

import math
import os
import socket
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import kerasae
from kerasae.studies.engines.artifacts import digest, pack, put, unpack
from kerasae.studies.job import Job, Outcome
from kerasae.studies.perform import perform

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
