"""A Ray cluster: one task per job."""

from collections.abc import Callable, Sequence

from kerasae.errors import StudyError
from kerasae.studies.engines.artifacts import check_storage
from kerasae.studies.engines.ray_cluster import connected, could_do
from kerasae.studies.engines.ray_session import RaySession
from kerasae.studies.job import Event, Job, Outcome


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
