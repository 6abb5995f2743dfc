import csv
import json
import re
import shutil

import pytest

from kerasae.api import train_run
from kerasae.recipes import load_recipe
from kerasae.training import list_runs, load_run
from tests.conftest import once, smooth_images, write_images


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Train ``ae_noise`` once for all tests here; return the folders of images and of runs."""
    folder = tmp_path_factory.mktemp("commands")
    images, runs = write_images(folder / "images", smooth_images(24)), folder / "runs"
    recipe = load_recipe("ae_noise", data=f"folder:{images}", epochs=2, set=["data.image_size=32"])
    train_run(recipe, runs=str(runs))
    return images, runs


@pytest.fixture
def options(made):
    return ["--data", f"folder:{made[0]}", "--epochs", 2, "--set", "data.image_size=32"]


@pytest.fixture
def trained(made, tmp_path):
    """A copy of the trained run, where the commands look for runs."""
    shutil.copytree(made[1], tmp_path / "runs")
    return load_run("latest", tmp_path / "runs")


def test_train_writes_the_run_folder(trained):
    names = {path.name for path in trained.folder.iterdir()}
    assert names >= {
        "recipe.toml",
        "run.json",
        "history.csv",
        "scores.json",
        "scores.csv",
        "model.keras",
        "best.weights.h5",
        "figures",
    }
    assert not [name for name in names if name.startswith(".partial")]
    assert "state" not in names
    record = trained.record
    assert record.status == "finished"
    assert record.epochs_done == 2
    assert record.versions["keras"]
    assert sum(record.image_counts.values()) == 24
    assert "squared error, mean over pixels" in record.objective


def test_scores_csv_holds_what_scores_json_averages(trained):
    with (trained.folder / "scores.csv").open() as file:
        rows = list(csv.DictReader(file))
    for score in trained.scores():
        values = [
            float(row["mse"]) for row in rows if (row["split"], float(row["sigma"])) == (score.split, score.sigma)
        ]
        assert len(values) == score.count
        assert sum(values) / len(values) == pytest.approx(score.mse.mean, rel=1e-6)


def test_training_again_shows_the_scores_and_trains_nothing(kerasae, trained, options):
    written = (trained.folder / "model.keras").stat().st_mtime_ns
    for arguments in (["ae_noise", *options], ["--resume", "latest"]):
        code, out, err = kerasae("train", *arguments)
        assert code == 0
        assert "is trained already; --force trains it again" in err
        assert "PSNR" in out
    assert (trained.folder / "model.keras").stat().st_mtime_ns == written


def test_evaluate_repeats_the_stored_scores_and_has_the_agreed_keys(kerasae, trained):
    code, out, _ = kerasae("evaluate", "latest", "--json")
    assert code == 0
    rows = json.loads(out)
    stored = [score.as_dict() for score in trained.scores()]
    assert [row["count"] for row in rows] == [row["count"] for row in stored]
    for row, other in zip(rows, stored, strict=True):
        assert row["mse"]["mean"] == pytest.approx(other["mse"]["mean"], rel=1e-5)
        assert set(row) >= {"run", "data", "split", "sigma", "count", "mse", "psnr", "psnr_of_mean_mse", "ssim"}
        assert set(row["mse"]) == {"mean", "std", "low", "high"}


def test_evaluate_on_another_source_takes_all_of_it(kerasae, trained, options):
    code, out, _ = kerasae("evaluate", trained.name, *options[:2], "--sigma", 0.2, "--json")
    assert code == 0
    [row] = json.loads(out)
    assert (row["split"], row["sigma"], row["count"]) == ("all", 0.2, 24)


def test_noise_is_the_same_for_every_batch_and_seeded(kerasae, trained):
    def mse(*options):
        _, out, _ = kerasae("evaluate", "latest", "--split", "test", "--sigma", 0.3, "--json", *options)
        return json.loads(out)[0]["mse"]["mean"]

    assert mse() == mse()
    assert mse("--seed", 1) != mse()


def test_noise_sweep_scores_runs_recipes_and_doing_nothing(kerasae, trained, options):
    code, out, err = kerasae("noise-sweep", trained.name, "ae_l2", *options, "--sigmas", "0,0.1,0.3", "--json")
    assert code == 0, err
    rows = json.loads(out)
    runs = {row["run"] for row in rows}
    assert len(runs) == 3
    assert "do nothing" in runs
    assert len([row for row in rows if row["run"] == trained.name]) == 3
    nothing = {row["sigma"]: row["psnr"]["mean"] for row in rows if row["run"] == "do nothing"}
    # Clipping takes away a little of the noise: PSNR is a little above -20·log10(sigma).
    assert 20.0 < nothing[0.1] < 23
    assert set(nothing) == {0.1, 0.3}


def test_resume_on_another_backend_is_refused(kerasae, trained, monkeypatch):
    other = "jax" if trained.record.backend != "jax" else "torch"
    monkeypatch.setenv("KERAS_BACKEND", other)
    code, _, err = kerasae("train", "--resume", "latest")
    assert code == 2
    assert f"resumes exactly only there; set KERAS_BACKEND={trained.record.backend}" in err or "is not installed" in err


def test_runs_lists_and_shows(kerasae, trained):
    code, out, _ = kerasae("runs")
    assert code == 0
    assert "ae_noise" in out
    assert "finished" in out
    code, out, _ = kerasae("runs", "show", "latest")
    assert code == 0
    assert "741 parameters" in out
    code, out, _ = kerasae("runs", "--json")
    assert json.loads(out)[0]["name"] == trained.name


@once
def test_recipes_data_and_doctor_answer(kerasae):
    code, out, _ = kerasae("recipes")
    assert code == 0
    assert "ae_elastic_net" in out
    code, out, _ = kerasae("recipes", "show", "ae_l2")
    assert "l2 = 1e-5" in out
    code, out, _ = kerasae("data")
    assert {"photos", "folder:PATH", "ffhq:PATH", "tfds:NAME"} <= {*out.split()}
    code, out, _ = kerasae("data", "show", "ethics")
    assert "scars" in out
    code, out, _ = kerasae("doctor")
    assert code == 0
    assert "yes" in out


def test_a_diverging_training_names_the_step_and_keeps_the_best_weights(kerasae, options, tmp_path):
    code, _, err = kerasae(
        "train", "ae_baseline", *options, "--set", "training.batch_size=4", "--set", "training.learning_rate=1e30"
    )
    assert code == 2
    assert re.search(r"the loss stopped being a finite number at step \d+ of epoch 1; no epoch was finished", err)
    [run] = list_runs(tmp_path / "runs")
    assert run.record.status == "failed"
    assert not run.is_finished
