"""What tests that run every backend by themselves share."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kerasae.runtime import installed_backends
from tests.conftest import BACKEND, FAST_COMPILATION

BACKENDS = installed_backends()
ONCE_FOR_ALL = [
    pytest.mark.skipif(len(BACKENDS) < 2, reason="only one backend is installed"),
    pytest.mark.skipif(BACKENDS[0] != BACKEND, reason=f"runs all backends by itself; once, on {BACKENDS[0]}, will do"),
]


def run_worker(name, backend, *arguments):
    """Run a script of this folder in a process of its own, in which XLA optimises as it does for users."""
    about = {"KERAS_BACKEND": backend, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name(name), *arguments],
        env={**os.environ, "XLA_FLAGS": os.environ["XLA_FLAGS"].replace(FAST_COMPILATION, ""), **about},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
