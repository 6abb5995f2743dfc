from pathlib import Path

import numpy as np
import pytest

from kerasae.data import write_image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Keep caches of tests away from the user's, and from one another."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("KERASAE_CACHE", str(folder))
    return folder


@pytest.fixture
def random_image():
    """Return a function of (height, width, channels, seed) that makes a uint8 image."""

    def make(height, width, channels=1, seed=0):
        return np.random.default_rng(seed).integers(0, 256, (height, width, channels), np.uint8)

    return make


@pytest.fixture
def image_folder(tmp_path, random_image):
    """Return a folder of six gray 16×16 PNG files, two of them in a subfolder."""
    root = tmp_path / "pictures"
    (root / "more").mkdir(parents=True)
    for place, name in enumerate(("b.png", "a.png", "c.png", "d.PNG", "more/e.png", "more/f.png")):
        write_image(root / name, random_image(16, 16, seed=place))
    return root


@pytest.fixture(scope="session")
def faces_folder():
    """Return the folder of real faces that lies beside some checkouts."""
    folder = Path(__file__).parents[3] / "shared" / "faces"
    if not (folder / "labels.csv").is_file():
        pytest.skip("no folder of faces beside this checkout")
    return folder
