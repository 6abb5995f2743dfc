"""A small trained run, as the command line makes it."""

import pytest

from tests.conftest import smooth_images, write_images


@pytest.fixture(scope="session")
def trained(tmp_path_factory):
    """The folder of runs, which holds one finished run of a small gray autoencoder, and the folder of its images."""
    from kerasae.recipes import load_recipe
    from kerasae.training import train

    folder = tmp_path_factory.mktemp("trained")
    write_images(folder / "images", smooth_images(30))
    # Enough steps for latents that move the picture: an untrained ladder has one step and nothing to tell apart.
    changes = ("data.image_size=32", "training.batch_size=4", "training.learning_rate=5e-3")
    recipe = load_recipe("ae_baseline", data=f"folder:{folder / 'images'}", epochs=25, set=changes)
    train(recipe, runs=folder / "runs")
    return folder / "runs", folder / "images"


@pytest.fixture
def run_command(kerasae, trained, monkeypatch):
    monkeypatch.setenv("KERASAE_RUNS", str(trained[0]))
    return kerasae
