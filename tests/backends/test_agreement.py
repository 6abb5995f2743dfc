"""The same weights and images give the same numbers on every installed backend."""

from itertools import pairwise

import numpy as np
import pytest

from tests.backends.each_backend import BACKENDS, ONCE_FOR_ALL, run_worker
from tests.backends.worker import CASES
from tests.conftest import smooth_images

pytestmark = ONCE_FOR_ALL


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What each backend computed; each one also loads the models the one before it saved."""
    folder = tmp_path_factory.mktemp("agreement")
    found, previous = {}, folder / "nobody"
    for backend in [*BACKENDS, BACKENDS[0]]:
        out = folder / f"{len(found)}-{backend}"
        out.mkdir()
        np.save(out / "images.npy", smooth_images(40))
        run_worker("worker.py", backend, out, previous)
        found[backend, len(found)] = dict(np.load(out / f"{backend}.npz"))
        previous = out
    return found


def close(first, second, names, rtol, atol_of_largest=0.0):
    for name in names:
        a, b = first[name], second[name]
        np.testing.assert_allclose(a, b, rtol=rtol, atol=atol_of_largest * abs(a).max() + 1e-12, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_loss_terms_and_gradients_of_one_step_agree(results, case):
    (_, first), *others = results.items()
    names = [name for name in first if name.startswith(f"{case}/")]
    assert len(names) > 8
    for _, second in others:
        # A gradient's small entries are differences of large ones: 1e-4 of the largest is what float32 leaves of them.
        close(first, second, names, rtol=1e-4, atol_of_largest=1e-4)


@pytest.mark.parametrize("steps", [1, 20])
def test_the_autoencoder_s_weights_stay_together(results, steps):
    (_, first), *others = results.items()
    names = [name for name in first if name.startswith(f"after_{steps}/")]
    assert len(names) == 8
    for _, second in others:
        for name in names:
            np.testing.assert_allclose(first[name], second[name], atol=1e-3, err_msg=name)


@pytest.mark.parametrize("case", CASES)
def test_a_saved_model_gives_the_same_images_on_the_next_backend(results, case):
    for ((saver, _), saved), (_, loaded) in pairwise(results.items()):
        np.testing.assert_allclose(loaded[f"loaded/{saver}-{case}"], saved[f"saved/{case}"], atol=1e-5)
