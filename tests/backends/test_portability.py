"""A file written on any backend is the same image on every other."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from kerasae.runtime import installed_backends
from tests.codec.made_up import KINDS
from tests.conftest import BACKEND

BACKENDS = installed_backends()
pytestmark = [
    pytest.mark.skipif(len(BACKENDS) < 2, reason="only one backend is installed"),
    pytest.mark.skipif(BACKENDS[0] != BACKEND, reason=f"runs all backends by itself; once, on {BACKENDS[0]}, will do"),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("portability")
    tasks = [(BACKENDS[0], "freeze"), *((one, "write") for one in BACKENDS), *((one, "read") for one in BACKENDS)]
    for backend, task in tasks:
        done = subprocess.run(
            [sys.executable, Path(__file__).with_name("codec_worker.py"), place, task],
            env=os.environ | {"KERAS_BACKEND": backend, "PYTHONPATH": str(Path(__file__).parents[2])},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr[-2000:]
    return place


@pytest.mark.parametrize("reader", BACKENDS)
@pytest.mark.parametrize("writer", BACKENDS)
@pytest.mark.parametrize("kind", KINDS)
def test_integers_are_equal_and_pixels_within_one_level(folder, kind, writer, reader):
    read = sorted((folder / kind).glob(f"{writer}-*-read-by-{reader}.npz"))
    assert len(read) == 2 * 15
    for path in read:
        there = np.load(path)
        at_home = np.load(path.with_name(path.name.replace(f"by-{reader}", f"by-{writer}")))
        np.testing.assert_array_equal(there["integers"], at_home["integers"])
        assert np.abs(there["pixels"].astype(int) - at_home["pixels"]).max() <= 1
