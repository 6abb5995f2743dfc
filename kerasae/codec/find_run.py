"""Fingerprint → run."""

from pathlib import Path

import numpy as np

from kerasae.codec.frozen import FILE
from kerasae.errors import CodecError
from kerasae.training import Run, list_runs, runs_folder


def find_run(fingerprint: bytes, runs: str | Path | None = None) -> Run:
    """Return the run whose frozen tables have this fingerprint of 4 bytes.

    Raises ``CodecError`` where there is none in the folder of runs.
    """
    for run in reversed(list_runs(runs)):
        if fingerprint_of(run) == fingerprint:
            return run
    raise CodecError(
        f"no run in {runs_folder(runs)} has the fingerprint {fingerprint.hex()}; the model that wrote a file is needed "
        "to read it: name its run with --run, or its folder with --runs"
    )


def fingerprint_of(run: Run) -> bytes | None:
    """Return the fingerprint that a run's files carry, None where it is not frozen."""
    path = run.folder / FILE
    if not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            return bytes.fromhex(str(file["digest"])[:8])
    # NumPy and zipfile let nearly every kind of exception out of a damaged file.
    except Exception:
        return None
