"""Where a study's jobs run: processes on this machine, or a Ray cluster.

An engine is called as ``engine(jobs, on_event)``: it runs every ``Job`` once, calls ``on_event(event)`` as each starts,
goes on and ends, and returns name → ``Outcome``. Its ``workers`` is how many it runs at a time, as far as it knows.
"""

from kerasae.errors import StudyError
from kerasae.studies.engines.process import ProcessEngine as ProcessEngine
from kerasae.studies.engines.ray import RayEngine as RayEngine


def make_engine(
    name: str, *, workers: int | None = None, address: str | None = None, storage: str | None = None
) -> ProcessEngine | RayEngine:
    """Return the engine ``process`` or ``ray``; raises ``StudyError`` for another name and for options not its own."""
    if name == "process":
        if address or storage:
            raise StudyError("--address and --storage are for --engine ray")
        return ProcessEngine(workers)
    if name == "ray":
        return RayEngine(address=address, storage=storage)
    raise StudyError(f"--engine {name!r} is neither process nor ray")
