import csv
import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import numpy as np
import pytest

from kerasae.api import train_run
from kerasae.codec import Frozen
from kerasae.errors import ModelError, RunError
from kerasae.models import build_model
from kerasae.recipes import load_recipe
from kerasae.training import list_runs, load_run
from kerasae.training.callbacks import _smaller
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


def test_runs_are_sorted_by_any_column_and_a_damaged_one_is_passed_over(kerasae, trained, tmp_path):
    second = tmp_path / "runs" / "other-0a0b0c0d-torch-0"
    shutil.copytree(trained.folder, second)
    for name, change in (("run.json", {"name": second.name}), ("scores.json", None)):
        plain = json.loads((second / name).read_text())
        if change:
            plain |= change
        else:
            for row in plain:
                row["psnr"]["mean"] += 10
        (second / name).write_text(json.dumps(plain))
    (second / "codec.npz").unlink()
    (tmp_path / "runs" / "broken-run").mkdir()
    (tmp_path / "runs" / "broken-run" / "run.json").write_text("[1, 2")
    code, out, err = kerasae("runs", "--sort", "psnr", "--json")
    assert code == 0
    assert "broken-run" in err
    first, last = json.loads(out)
    assert [first["name"], last["name"]] == [second.name, trained.name]
    score = next(score for score in trained.scores() if score.split == "test" and not score.sigma)
    assert (last["psnr"], last["ssim"]) == (score.psnr.mean, score.ssim.mean)
    # Under the frozen tables; an autoencoder without them has no estimate.
    frozen = Frozen.load(trained.folder / "codec.npz")
    assert last["bits_per_pixel"] == frozen.bits_per_pixel[frozen.default]
    assert first["bits_per_pixel"] is None
    assert json.loads(kerasae("runs", "--sort", "bits_per_pixel", "--json")[1])[0]["name"] == trained.name
    assert f"{score.psnr.mean:.2f}" in kerasae("runs")[1]
    code, _, err = kerasae("runs", "--sort", "pnsr")
    assert code == 2
    assert "--sort 'pnsr' is not a column, did you mean 'psnr'?" in err
    # The two side by side, as a figure too.
    code, out, err = kerasae("runs", "compare", trained.name, second.name)
    assert code == 0, err
    [path] = re.findall(r"figure: (\S+\.png)", out)
    assert Path(path).read_bytes().startswith(b"\x89PNG")


def test_damaged_files_are_named_in_one_sentence(trained):
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (10**12,)})
    path = next((trained.folder / "evaluations").iterdir())
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("names.npy", header.getvalue())
    (trained.folder / "history.csv").write_text("epoch,loss\n1,much\n")
    (trained.folder / "examples.npz").write_bytes(b"PK\x03\x04 no")
    (trained.folder / "codec.npz").write_bytes(b"no")
    split, sigma = re.fullmatch(r"(\w+)_sigma_(.+)_seed_0", path.stem).groups()
    reads = {
        path.name: lambda: trained.image_scores(split=split, sigma=float(sigma)),
        "history.csv": trained.history,
        "examples.npz": trained.examples,
        "codec.npz": trained.measured,
    }
    for name, read in reads.items():
        with pytest.raises(RunError, match=re.escape(name)):
            read()


def test_a_model_that_is_another_s_is_refused(trained, tmp_path):
    import keras

    path = trained.folder / "model.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(path)
    with pytest.raises(ModelError, match=r"model\.keras holds a Sequential, which is no model of kerasae's"):
        trained.load_model()
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match=r"model\.keras cannot be loaded"):
        trained.load_model()
    larger = ["data.image_size=32", "model.filters=[9,5]"]
    build_model(load_recipe("ae_baseline", set=larger)).save(path)
    with pytest.raises(RunError, match=r"model\.keras is the model of another run: it has .* parameters, that of"):
        trained.load_model()


def test_a_recipe_s_whole_name_wins_over_the_beginning_of_another(trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "runs" / "ae_noise_more-0a0b0c0d-torch-0")
    assert load_run("ae_noise", tmp_path / "runs").name == trained.name
    with pytest.raises(RunError, match="could be any of"):
        load_run("ae_n", tmp_path / "runs")


@pytest.mark.parametrize(("name", "format"), [("r.pdf", ()), ("r", ()), ("r.md", ("--format", "html"))])
def test_a_report_under_another_ending_is_refused(kerasae, trained, tmp_path, name, format):
    code, _, err = kerasae("report", "latest", "-o", tmp_path / name, *format)
    assert code == 2
    assert re.search(r"name a file that ends in \.html, \.htm", err)
    assert not (tmp_path / name).exists()


@pytest.mark.parametrize(("rate", "advice"), [(1000.0, 1e-3), (5e-3, 5e-4), (1e-3, 1e-4), (0.0, 1e-4)])
def test_the_learning_rate_to_try_after_a_divergence_is_a_usual_one(rate, advice):
    assert _smaller(rate) == pytest.approx(advice)


@once
def test_training_starts_from_another_run_by_name(kerasae, trained, options):
    runs = trained.folder.parent
    start = ["--start-from", "latest", "--runs", runs]
    code, _, error = kerasae("train", "ae_baseline", *options, "--epochs", 1, *start)
    assert code == 0, error
    # By name: the latest is another one by now.
    assert load_run("latest", runs).recipe.training.start_from == trained.name


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
