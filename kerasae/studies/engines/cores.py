"""Who gets which cores and which GPU."""

import os
from pathlib import Path


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
    """Return a worker per GPU where there are any, else one per core: small models use one core best."""
    return len(visible_gpus()) or len(available_cores()) or os.cpu_count() or 1


def cores_of(place: int, workers: int) -> list[int]:
    """Return the cores of worker ``place`` of ``workers``: equal shares, the same number for each.

    Equal shares even where some cores stay idle: how many threads a run has decides its last bits. Nothing where there
    are more workers than cores, which then share them as the system sees fit.
    """
    cores = available_cores()
    share = len(cores) // workers
    return cores[place * share : (place + 1) * share]


def gpu_of(place: int) -> dict[str, str]:
    """Return the environment that shows worker ``place`` one GPU; nothing where there is none."""
    gpus = visible_gpus()
    return {"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {}
