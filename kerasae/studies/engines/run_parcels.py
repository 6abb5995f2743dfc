"""A run folder as it goes to a worker, and as it comes back."""

import contextlib
from pathlib import Path

from kerasae.recipe import recipe_from
from kerasae.studies.engines.artifacts import names_in, pack, unpack
from kerasae.studies.job import Job
from kerasae.training.lock import locked
from kerasae.training.name import equal_run


def pack_run(job: Job) -> bytes:
    """Return what there is of the run of ``job``, finished or not: a worker goes on from there; empty if nothing."""
    equal = equal_run(recipe_from(job.recipe, name=job.name, origin=job.name), job.backend, job.runs)
    folder = equal.folder if equal else Path(job.runs) / job.name
    return pack(folder.parent, [folder.name]) if (folder / "run.json").is_file() else b""


def unpack_run(parcel: bytes, job: Job, sent: list[str]) -> None:
    """Bring the run home over what is there of it; files that were ``sent`` and did not come back have served.

    Raises ``RunError`` where another process is at work in the folder.
    """
    runs = Path(job.runs)
    with contextlib.ExitStack() as locks:
        for name in {name.split("/")[0] for name in names_in(parcel)}:
            if (runs / name).is_dir():
                locks.enter_context(locked(runs / name))
        for name in set(sent) - set(unpack(parcel, runs)):
            (runs / name).unlink(missing_ok=True)
