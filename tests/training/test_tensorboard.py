"""What ``--tensorboard`` writes, and that it changes nothing else."""

import sys

import pytest

from kerasae.errors import BackendError
from kerasae.training import load_run, train
from tests.training.test_resume import RECIPES, StopAt, assert_same, recipe_of


def scalars(folder):
    """Return tag → {step: value} of the event files in a folder."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util.tensor_util import make_ndarray

    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0}).Reload()
    assert not accumulator.Tags()["images"]
    assert not accumulator.Tags()["graph"]
    return {
        tag: {event.step: float(make_ndarray(event.tensor_proto)) for event in accumulator.Tensors(tag)}
        for tag in accumulator.Tags()["tensors"]
    }


def assert_logged(run):
    """The log holds the run's history, epoch by epoch."""
    history = run.history()
    for split, prefix in (("train", ""), ("validation", "val_")):
        logged = scalars(run.folder / "tensorboard" / split)
        terms = [
            name.removeprefix(prefix)
            for name in history[0]
            if name not in ("epoch", "seconds", "images_per_second") and name.startswith("val_") == bool(prefix)
        ]
        assert "mse" in terms
        for term in terms:
            expected = {row["epoch"]: row[prefix + term] for row in history}
            assert logged[f"epoch_{term}"] == pytest.approx(expected, rel=1e-6), term
        assert not [tag for tag in logged if "finite" in tag]


@pytest.mark.parametrize("name", RECIPES)
def test_the_log_is_the_history_and_changes_no_bit_of_it(name, image_folder, tmp_path):
    pytest.importorskip("tensorboard")
    recipe = recipe_of(name, image_folder)
    without = train(recipe, runs=tmp_path / "without")
    logged = train(recipe, runs=tmp_path / "with", tensorboard=True)
    assert_same(logged, without)
    assert logged.name == without.name
    assert not (without.folder / "tensorboard").exists()
    assert_logged(logged)


def test_a_resumed_run_goes_on_in_the_same_log(image_folder, tmp_path):
    pytest.importorskip("tensorboard")
    recipe = recipe_of("vae", image_folder)
    whole = train(recipe, runs=tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, runs=tmp_path / "parts", reporter=StopAt(3), tensorboard=True)
    stopped = load_run("latest", tmp_path / "parts")
    # Stopped without a word: what was logged until then is there.
    assert set(scalars(stopped.folder / "tensorboard" / "train")["epoch_loss"]) >= {1, 2}
    resumed = train(recipe, runs=tmp_path / "parts", tensorboard=True)
    assert_same(resumed, whole)
    logged = scalars(resumed.folder / "tensorboard" / "validation")["epoch_mse"]
    assert set(logged) >= {1, 2, 4, 5}
    assert logged[5] == pytest.approx(resumed.history()[-1]["val_mse"], rel=1e-6)


@pytest.mark.parametrize("missing", [["tensorboard"], ["tensorflow", "tensorboard"]])
def test_without_the_packages_it_is_refused_before_anything_is_written(missing, image_folder, tmp_path, monkeypatch):
    for name in missing:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(BackendError, match=rf"and {' and '.join(missing)} (is|are) not installed; install with: pip"):
        train(recipe_of("vae", image_folder), runs=tmp_path / "runs", tensorboard=True)
    assert not (tmp_path / "runs").exists()


def test_the_command_passes_it_on(kerasae, image_folder, tmp_path):
    pytest.importorskip("tensorboard")
    options = ("--data", f"folder:{image_folder}", "--epochs", 2, "--set", "data.image_size=32", "--tensorboard")
    code, _, err = kerasae("train", "vae_baseline", *options)
    assert code == 0, err
    assert_logged(load_run("latest", tmp_path / "runs"))
