"""Every shipped recipe says what it promises in its header, and the studies are the reference study's."""

import re

import pytest

from kerasae.recipes import header, is_noise_sweep, load_noise_sweep, load_recipe, load_study, shipped_recipes
from kerasae.studies.plan import plan_study

EXPECTED = {
    "ae_baseline",
    "ae_elastic_net",
    "ae_l1",
    "ae_l2",
    "ae_noise",
    "ae_weight_decay",
    "context_hyperprior",
    "conv_vae",
    "factorized_prior",
    "mean_scale_hyperprior",
    "noise_sweep",
    "photos",
    "photos_gray",
    "scale_hyperprior",
    "vae_baseline",
    "vae_calibrated",
    "vae_elastic_net",
    "vae_l1",
    "vae_l2",
    "vae_noise",
}


def test_the_shipped_recipes_are_these():
    assert {path.stem for path in shipped_recipes()} == EXPECTED


@pytest.mark.parametrize("path", shipped_recipes(), ids=lambda path: path.stem)
def test_the_header_names_command_minutes_and_score(path):
    text = header(path)
    command = "noise-sweep" if is_noise_sweep(path) else f"train recipes/{path.stem}.toml"
    assert f"kerasae {command}" in text
    assert re.search(r"about \d+ min on 2 CPU cores \((TensorFlow|JAX|PyTorch)", text), "how long, on which backend"
    assert re.search(r"PSNR \d\d\.\d\d dB", text), "the measured score"


def test_the_noise_sweep_names_recipes_that_exist():
    sweep = load_noise_sweep("noise_sweep")
    assert set(sweep.recipes) <= EXPECTED
    assert {"ae_baseline", "ae_noise", "vae_baseline", "vae_noise"} <= set(sweep.recipes)
    assert sweep.sigmas == (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


@pytest.mark.parametrize("family", ["ae", "vae"])
def test_the_regularisers_are_the_study_s(family):
    penalties = {
        name: (section.l1, section.l2)
        for name in ("baseline", "l1", "l2", "elastic_net")
        for section in [load_recipe(f"{family}_{name}").regularizer]
    }
    assert penalties == {"baseline": (0, 0), "l1": (1e-5, 0), "l2": (0, 1e-5), "elastic_net": (1e-5, 1e-5)}
    assert load_recipe(f"{family}_noise").noise.sigma == 0.1


@pytest.mark.parametrize("path", shipped_recipes("studies"), ids=lambda path: path.stem)
def test_a_study_s_header_names_its_command_and_its_grid_is_sound(path, tmp_path):
    assert f"kerasae study recipes/studies/{path.stem}.toml" in header(path)
    study = load_study(path)
    assert study.settings.question.endswith("?")
    assert len(study.settings.seeds) >= 3, "fewer seeds say too little"
    plan = plan_study(study, backend="jax", runs=tmp_path)
    assert len(plan.run_jobs()) == len(plan.cells) * len(study.settings.seeds)


def test_the_shipped_studies_are_these():
    names = {"entropy_models", "latent_size", "noise", "quick", "regularization", "regularization_strength"}
    assert {path.stem for path in shipped_recipes("studies")} == names


def test_the_codecs_of_the_study_of_entropy_models_differ_in_nothing_else(tmp_path):
    cells = plan_study(load_study("entropy_models"), backend="jax", runs=tmp_path).cells
    kinds = ["factorized_prior", "mean_scale_hyperprior", "context_hyperprior"]
    assert [cell.recipes[0].model.kind for cell in cells] == kinds
    plain = [cell.recipes[0].as_dict() for cell in cells]
    own = {"kind", "hyper_width", "hyper_channels", "passes", "context_width"}
    models = [{key: value for key, value in one.pop("model").items() if key not in own} for one in plain]
    assert all(one | {"name": ""} == plain[0] | {"name": ""} for one in plain)
    assert all(one == models[0] for one in models)


def test_the_regularization_study_is_the_reference_study_s_table(tmp_path):
    plan = plan_study(load_study("regularization"), backend="jax", runs=tmp_path)
    penalties = {"none": (0, 0), "L1": (1e-5, 0), "L2": (0, 1e-5), "elastic net": (1e-5, 1e-5)}
    kinds = {"AE": "conv_autoencoder", "VAE": "mlp_vae"}
    sigmas = {"clean-trained": 0.0, "noise-trained": 0.1}
    assert len(plan.cells) == 16
    for cell in plan.cells:
        recipe, levels = cell.recipes[0], cell.levels
        assert recipe.model.kind == kinds[levels["model"]]
        assert (recipe.regularizer.l1, recipe.regularizer.l2) == penalties[levels["regularizer"]]
        assert recipe.noise.sigma == sigmas[levels["training"]]
