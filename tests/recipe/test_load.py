import pytest

from kerasae.errors import RecipeError
from kerasae.recipes import fingerprint, load_recipe, to_toml

MINIMAL = '[model]\nkind = "conv_autoencoder"\n'


def write(tmp_path, text, name="mine.toml"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_defaults_are_the_reference_study(tmp_path):
    recipe = load_recipe(write(tmp_path, MINIMAL))
    assert recipe.name == "mine"
    assert recipe.data.source == "photos"
    assert recipe.model.filters == (8, 4)
    assert (recipe.training.epochs, recipe.training.batch_size, recipe.training.learning_rate) == (200, 128, 1e-3)
    assert recipe.data.split == (0.7, 0.1, 0.2)


def test_written_and_read_again_a_recipe_is_equal(tmp_path):
    recipe = load_recipe(
        write(tmp_path, MINIMAL), data="folder:a b/c", set=["data.group_column=person", "noise.sigma=0.1"]
    )
    again = load_recipe(write(tmp_path, to_toml(recipe), "again.toml"))
    assert again == recipe
    assert fingerprint(again) == fingerprint(recipe)


def test_the_fingerprint_follows_what_changes_the_result(tmp_path):
    path = write(tmp_path, MINIMAL)
    same = {fingerprint(load_recipe(path, set=[change])) for change in ("training.seed=5", "training.feed=numpy")}
    assert same == {fingerprint(load_recipe(path))}
    changes = (
        "training.epochs=3",
        "noise.sigma=0.1",
        "regularizer.l1=1e-5",
        "data.split_seed=1",
        "model.filters=[4,4]",
    )
    assert len({fingerprint(load_recipe(path, set=[change])) for change in changes} | same) == len(changes) + 1


def test_overrides_keep_what_they_do_not_name(tmp_path):
    path = write(tmp_path, MINIMAL + '[data]\nsource = "folder"\npath = "x"\nimage_size = 64\n')
    recipe = load_recipe(path, data="photos", epochs=3, seed=4, set=["training.learning_rate=0.5"])
    assert (recipe.data.source, recipe.data.image_size) == ("photos", 64)
    assert (recipe.training.epochs, recipe.training.seed, recipe.training.learning_rate) == (3, 4, 0.5)


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recipe = load_recipe(write(tmp_path, MINIMAL), data="folder:images")
    assert recipe.data.path == str(tmp_path / "images")


def test_a_shipped_recipe_is_found_by_name_and_by_the_readme_s_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_recipe("ae_l2") == load_recipe("recipes/ae_l2.toml")


WRONG = {
    "training.epochs=0": "training.epochs = 0 is out of range; it must be at least 1",
    "training.epochs=1.5": "training.epochs = 1.5 is a float; it must be a whole number",
    "training.epochs=ten": "training.epochs = 'ten' is a str; it must be a whole number",
    "training.epochs=true": "training.epochs = True is a bool; it must be a whole number",
    "training.epoch=3": "training.epoch is not a key kerasae knows, did you mean 'epochs'",
    "trainig.epochs=3": "trainig is not a key kerasae knows, did you mean 'training'",
    "training.learning_rate=0": "training.learning_rate = 0 is out of range; it must be above 0",
    "training.learning_rate=nan": "training.learning_rate = nan is a float; it must be a finite number",
    "training.schedule=cosin": "training.schedule = 'cosin' is not a choice, did you mean 'cosine'",
    "training.best_by=val_mse_sample": "is for variational models; a conv_autoencoder has no sample",
    "data.split=[0.7,0.1,0.3]": r"data.split = \[0.7, 0.1, 0.3\] sums to 1.1; the three fractions must sum to 1",
    "data.split=[0.9,0.1]": "data.split.2 is missing",
    "data.split=[1.0,0.0,0.0]": "needs three fractions above 0",
    "data.image_size=130": "data.image_size = 130 does not divide by the stride 4 of this .*; take 128 or 132",
    "data.channels=2": "data.channels = 2 is not a choice; allowed: 1, 3",
    "data.source=foto": "data.source = 'foto' is not a choice, did you mean 'photos'",
    "data.source=folder": r"data.path is missing; add it to \[data\]",
    "data.limit=1": "data.limit = 1 is out of range; it must be at least 3",
    "model.kind=conv_autoencodr": "model.kind = 'conv_autoencodr' is not a choice, did you mean 'conv_autoencoder'",
    "model.filters=8": r"model.filters = 8 is a int; it must be a list such as \[8, 4\]",
    "model.filters=[8,0]": "model.filters.1 = 0 is out of range; it must be at least 1",
    "model.latent_size=4": "model.latent_size is not a key kerasae knows",
    "noise.sigma=-0.1": "noise.sigma = -0.1 is out of range; it must be at least 0",
    "noise.sigma=2": "noise.sigma = 2 is out of range; it must be at most 1",
    "regularizer.l2=-1": "regularizer.l2 = -1 is out of range; it must be at least 0",
    "objective.likelihood=unit": r"\[objective\] is for variational models",
    "training.epochs=1000001": "training.epochs = 1000001 is out of range; it must be at most 1000000",
    "training.batch_size=65537": "it must be at most 65536",
    "training.devices=1000000": "training.devices = 1000000 is out of range; it must be at most 1024",
    "training.learning_rate=1e31": "it must be at most 1e\\+30",
    "training.checkpoint_seconds=1e7": "it must be at most 1000000.0",
    "data.limit=1000000001": "it must be at most 1000000000",
    "regularizer.l1=1e31": "it must be at most 1e\\+30",
    "model.filters=[1,1,1,1,1,1,1]": "it must be length at most 6",
    "model.kind=[1]": r"model.kind = \[1\] is not a choice",
    f"training.epochs=0x{'f' * 5000}": "training.epochs = a value too large to write is out of range",
    f"training.epochs={'9' * 5000}": "training.epochs = '9{199}… is a str; it must be a whole number",
    f"training.epochs={'[' * 5000}": r"training.epochs = '\[{199}… is a str",
    "name=other": "is not of the form section.key=value",
    "epochs": "is not of the form section.key=value, such as training.epochs=20",
}


@pytest.mark.parametrize("assignment", WRONG)
def test_what_cannot_be_run_is_refused_in_one_sentence(assignment, tmp_path):
    with pytest.raises(RecipeError, match=WRONG[assignment]) as refused:
        load_recipe(write(tmp_path, MINIMAL), set=[assignment])
    assert "\n" not in str(refused.value)
    if "--set" not in str(refused.value):
        assert str(refused.value).startswith(str(tmp_path / "mine.toml"))


FILES = {
    "": r"model is missing; a recipe needs a \[model\] section with a kind, such as kind",
    "[model]\n": "model.kind is missing; it is one of conv_autoencoder, mlp_vae, conv_vae",
    "[model\n": r"mine.toml is not valid TOML: .*line 1",
    "model = 3\n": r"model",
    MINIMAL + "[noise]\nsigma = '0.1'\n": "noise.sigma = '0.1' is a str; it must be a number",
    MINIMAL + "training = 3\n": "training",
    f"a = {'[' * 5000}{']' * 5000}\n": "mine.toml has brackets or keys nested too deep to be a recipe",
    f"a = {'9' * 5000}\n": "mine.toml is not valid TOML",
    '[noise_sweep]\nrecipes = ["ae_l1"]\n': "is a noise sweep, not a training recipe; run it with: kerasae noise-sweep",
}


@pytest.mark.parametrize("text", FILES)
def test_files_that_are_no_recipe_are_refused(text, tmp_path):
    with pytest.raises(RecipeError, match=FILES[text]):
        load_recipe(write(tmp_path, text))


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "picture.toml"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(RecipeError, match=r"picture.toml is not a text file in UTF-8; a recipe is a TOML file"):
        load_recipe(path)


def test_an_unknown_name_brings_the_nearest(tmp_path):
    with pytest.raises(RecipeError, match=r"there is no recipe 'ae_l22'.* Did you mean ae_l2\? See: kerasae recipes"):
        load_recipe("ae_l22")
    with pytest.raises(RecipeError, match=r"is a folder; a recipe is a TOML file or a name"):
        load_recipe(tmp_path)


@pytest.mark.parametrize("spec", ["foto", "folder", "folder:", "photos:here", "tfds"])
def test_a_source_that_is_none_is_refused(spec, tmp_path):
    with pytest.raises(RecipeError, match=r"names no source of images; it is one of photos, folder:PATH"):
        load_recipe(write(tmp_path, MINIMAL), data=spec)
