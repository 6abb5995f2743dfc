"""A recipe of each kind trains from TOML to scores; every shipped recipe builds the model that it describes."""

import pytest

from kerasae.models import build_model
from kerasae.recipes import KINDS, is_noise_sweep, load_recipe, shipped_recipes
from kerasae.training import load_run
from tests.conftest import once

_LEARNED = ["widths=[4,6]", "latent_channels=4"]
_HYPER = [*_LEARNED, "hyper_width=8", "hyper_channels=16"]
# For each kind a recipe, those trained with noise first, and how to make it small.
RUNS = {
    "conv_autoencoder": ("ae_noise", []),
    "mlp_vae": ("vae_noise", ["hidden=[16]", "latent_size=4"]),
    "conv_vae": ("conv_vae", ["widths=[4,6]", "latent_size=4"]),
    "factorized_prior": ("factorized_prior", _LEARNED),
    "scale_hyperprior": ("scale_hyperprior", _HYPER),
    "mean_scale_hyperprior": ("mean_scale_hyperprior", _HYPER),
    "context_hyperprior": ("context_hyperprior", [*_HYPER, "context_width=6"]),
}
# Weights at full size; of the two of the reference study, as its description counts them.
PARAMETERS = {
    "conv_autoencoder": (9 * 8 + 8) + (9 * 8 * 4 + 4) + (9 * 4 * 8 + 8) + (9 * 8 + 1),
    "mlp_vae": (16384 + 1) * 512 + 2 * (512 + 1) * 200 + (200 + 1) * 512 + (512 + 1) * 16384,
    "conv_vae": 1_120_888,
    "factorized_prior": 780_008,
    "scale_hyperprior": 1_539_080,
    "mean_scale_hyperprior": 1_715_616,
    "context_hyperprior": 2_528_352,
}


def test_each_kind_has_a_run():
    assert set(RUNS) == set(KINDS)


@pytest.mark.parametrize("kind", RUNS)
def test_a_tiny_run_from_recipe_to_scores(kind, kerasae, image_folder, tmp_path):
    name, small = RUNS[kind]
    sizes = [part for one in small for part in ("--set", f"model.{one}")]
    code, out, err = kerasae(
        *("train", name, "--data", f"folder:{image_folder}", "--epochs", 2, "--set", "data.image_size=32", *sizes),
        *("--set", "data.limit=20"),  # at most one batch of each recipe's size: one shape to compile
    )
    assert code == 0, err
    run = load_run("latest", tmp_path / "runs")
    assert run.is_finished
    assert (run.recipe.name, run.recipe.model.kind) == (name, kind)
    sigma = run.recipe.noise.sigma
    expected = {("mean",), ("sample",)} if run.recipe.model.is_variational else {("latents",)}
    for split in ("validation", "test"):
        for level in {0.0, sigma}:
            found = {(row.decoded_from,) for row in run.scores() if (row.split, row.sigma) == (split, level)}
            assert found == expected
    assert "PSNR" in out
    assert list((run.folder / "figures").glob("loss_curves.png"))


@once
@pytest.mark.parametrize("path", [path for path in shipped_recipes() if not is_noise_sweep(path)], ids=lambda p: p.stem)
def test_a_recipe_builds_its_model(path):
    recipe = load_recipe(path)
    model = build_model(recipe)
    assert recipe.name == path.stem
    # The codecs for photographs have widths of their own.
    shipped = {"photos": 3_263_232, "photos_gray": 1_662_904}
    assert model.count_params() == shipped.get(recipe.name, PARAMETERS.get(recipe.model.kind))
