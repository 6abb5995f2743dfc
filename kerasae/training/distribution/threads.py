"""Threads for more than one device on a CPU."""

import os

_PER_DEVICE = 8


def ask_for_threads(devices: int) -> None:
    """Let JAX have threads enough for ``devices`` CPU devices; it must not have looked for its devices yet.

    XLA computes for all CPU devices with as many threads as there are cores. A device that waits for another to add its
    gradients keeps its thread; where none is left for the other, both wait for ever (seen on two cores after some
    hundred steps). XLA takes the number from ``NPROC``, which is left alone where it is set.
    """
    if devices > 1:
        os.environ.setdefault("NPROC", str(max(os.cpu_count() or 1, _PER_DEVICE * devices)))
