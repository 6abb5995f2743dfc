"""A file written on any backend is the same image on every other."""

import numpy as np
import pytest

from tests.backends.each_backend import BACKENDS, ONCE_FOR_ALL, run_worker
from tests.codec.made_up import KINDS

pytestmark = ONCE_FOR_ALL


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("portability")
    tasks = [(BACKENDS[0], "freeze"), *((one, "write") for one in BACKENDS), *((one, "read") for one in BACKENDS)]
    for backend, task in tasks:
        run_worker("codec_worker.py", backend, place, task)
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
