"""Recipes of learned codecs: what belongs to them, what does not, and that older recipes are what they were."""

import math

import pytest

from kerasae.errors import RecipeError
from kerasae.recipes import fingerprint, is_noise_sweep, load_recipe, shipped_recipes, to_toml

CODEC = '[model]\nkind = "factorized_prior"\n'
VAE = '[model]\nkind = "conv_vae"\n'
AUTOENCODER = '[model]\nkind = "conv_autoencoder"\n'


def load(tmp_path, text, *changes):
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return load_recipe(path, set=changes)


WRONG = [
    (CODEC, "objective.rate_weight=2", "objective.rate_weight is for variational models; a factorized_prior "
     "takes distortion, lambdas"),
    (CODEC, "objective.likelihood=unit", "objective.likelihood is for variational models; a factorized_prior takes"),
    (VAE, "objective.lambdas=[0.1]", "objective.lambdas is for learned codecs; a conv_vae takes likelihood, "
     "rate_weight"),
    (VAE, "objective.distortion=ssim", "objective.distortion is for learned codecs; a conv_vae takes"),
    (AUTOENCODER, "objective.lambdas=[0.1]", r"\[objective\] is for variational models \(mlp_vae, conv_vae\) and "
     "learned codecs; a conv_autoencoder minimises the mean squared error; remove the section"),
    (CODEC, "training.best_by=val_mse", "training.best_by is not for a factorized_prior: its best epoch is always that "
     "of the lowest rate–distortion loss on validation images; remove the key"),
    (CODEC, "training.best_by=val_mse_sample", "training.best_by"),
    (CODEC, "objective.lambdas=[0.1,0.05]", r"objective.lambdas = \[0.1, 0.05\] does not rise; give the lambdas from "
     "the lowest quality to the highest"),
    (CODEC, "objective.lambdas=[0.1,0.1]", "objective.lambdas = .* does not rise"),
    (CODEC, "objective.lambdas=[]", "objective.lambdas = .* is out of range; it must be length at least 1"),
    (CODEC, "objective.lambdas=[0.0,0.1]", "objective.lambdas.0 = 0.0 is out of range; it must be above 0"),
    (CODEC, "objective.lambdas=0.1", "objective.lambdas = 0.1 is a float; it must be a list"),
    (CODEC, "objective.distortion=ssmi", "objective.distortion = 'ssmi' is not a choice, did you mean 'ssim'"),
    (CODEC, "model.transform=gnd", "model.transform = 'gnd' is not a choice, did you mean 'gdn'"),
    (CODEC, "model.density=gaussian", "model.density = 'gaussian' is not a choice"),
    (CODEC, "model.latent_size=4", "model.latent_size is not a key kerasae knows"),
    (CODEC, "model.stem=3", "model.stem = 3 is not a choice"),
    (CODEC, "data.image_size=120", "data.image_size = 120 does not divide by the stride 16 of this factorized_prior"),
    (CODEC, "training.stretch=0.0", "training.stretch = 0.0 is out of range; it must be above 0"),
    (CODEC, "training.shift=0", "training.shift = 0 is out of range; it must be at least 1"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "change", "says"), WRONG)
def test_what_does_not_belong_is_refused_in_one_sentence(tmp_path, text, change, says):
    with pytest.raises(RecipeError, match=says) as refused:
        load(tmp_path, text, change)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("transform", "widths", "stride"), [("residual", "[8]", 4), ("residual", "[8,8,8,8]", 32), ("gdn", "[8,8,8,8]", 32)]
)
def test_the_stride_follows_the_transform(tmp_path, transform, widths, stride):
    recipe = load(tmp_path, CODEC, f"model.transform={transform}", f"model.widths={widths}")
    assert recipe.model.stride == stride
    assert recipe.model.has_entropy_model
    assert not recipe.model.is_variational


def test_written_and_read_again_lambdas_and_all_are_equal(tmp_path):
    changes = (
        "objective.lambdas=[0.0013,0.01,0.0444]",
        "objective.distortion=ssim",
        "training.shift=4",
        "training.stretch=0.2",
    )
    recipe = load(tmp_path, CODEC, *changes)
    assert recipe.objective.lambdas == (0.0013, 0.01, 0.0444)
    assert (recipe.objective.levels, recipe.objective.step_span) == (3, math.sqrt(0.0444 / 0.0013))
    text = to_toml(recipe)
    again = load(tmp_path, text)
    assert again == recipe
    assert fingerprint(again) == fingerprint(recipe)
    plain = recipe.as_dict()
    assert plain["objective"] == {"lambdas": [0.0013, 0.01, 0.0444], "distortion": "ssim", "quantization": "mixed"}
    assert "best_by" not in plain["training"]
    assert plain["training"]["shift"] == 4
    assert plain["training"]["stretch"] == 0.2


def test_the_default_is_eight_rising_lambdas(tmp_path):
    objective = load(tmp_path, CODEC).objective
    assert objective.levels == 8
    assert sorted(set(objective.lambdas)) == list(objective.lambdas)
    assert load(tmp_path, CODEC, "objective.lambdas=[0.01]").objective.step_span == 1


def test_the_fingerprint_follows_what_changes_the_codec(tmp_path):
    changes = (
        "objective.lambdas=[0.01]",
        "objective.distortion=ssim",
        "training.shift=2",
        "training.stretch=0.1",
        "model.transform=gdn",
        "model.density=factorized",
        "model.latent_channels=8",
    )
    found = {fingerprint(load(tmp_path, CODEC, change)) for change in changes}
    assert len(found | {fingerprint(load(tmp_path, CODEC))}) == len(changes) + 1


# As computed by version 0.2: a run that was trained then is found again under its name.
BEFORE = {"ae_baseline": "3a4cabfa", "ae_l2": "cdb6223e", "conv_vae": "a36c7f67", "vae_baseline": "f2901a1c"}


@pytest.mark.parametrize("name", BEFORE)
def test_older_recipes_keep_their_fingerprint(name):
    assert fingerprint(load_recipe(name)) == BEFORE[name]


def test_a_default_that_is_spelled_out_does_not_rename_a_run(tmp_path):
    lambdas = ",".join(map(str, load(tmp_path, CODEC).objective.lambdas))
    spelled = ("training.flip=false", "training.learning_rate=1e-3", f"objective.lambdas=[{lambdas}]")
    assert fingerprint(load(tmp_path, CODEC, *spelled)) == fingerprint(load(tmp_path, CODEC))


@pytest.mark.parametrize(
    "path", [path for path in shipped_recipes() if not is_noise_sweep(path)], ids=lambda path: path.stem
)
def test_older_kinds_are_written_without_the_keys_of_codecs(path):
    recipe = load_recipe(path)
    written = to_toml(recipe)
    assert ("lambdas" in written) == ("distortion" in written) == recipe.model.has_entropy_model
    assert ("rate_weight" in written) == ("likelihood" in written) == recipe.model.is_variational
