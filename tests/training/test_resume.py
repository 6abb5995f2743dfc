"""A run that was killed and resumed ends with the same bits as one that was not."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace
from functools import cache

import h5py
import numpy as np
import pytest

from kerasae.errors import RunError
from kerasae.evaluation import evaluate
from kerasae.evaluation.score import noise_sweep
from kerasae.recipes import recipe_from
from kerasae.training import Reporter, list_runs, load_run, train, train_run
from kerasae.training.run import locked
from tests.conftest import smooth_images, write_images

RECIPES = {
    "noisy_autoencoder": {"model": {"kind": "conv_autoencoder", "filters": [4, 2]}, "noise": {"sigma": 0.1}},
    "vae": {"model": {"kind": "mlp_vae", "hidden": [16], "latent_size": 4}, "noise": {"sigma": 0.1}},
    "codec": {
        "model": {"kind": "factorized_prior", "widths": [4, 6], "latent_channels": 5},
        "objective": {"lambdas": [0.002, 0.01, 0.04]},
        "noise": {"sigma": 0.1},
        "training": {"shift": 3, "stretch": 0.1, "clip_norm": 1.0},
        "data": {"fit": "patches", "image_size": 16},
    },
}


def recipe_of(name, folder, epochs=5, **training):
    own = RECIPES[name].get("training", {})
    data = {"source": "folder", "path": str(folder), "image_size": 32, "split": [0.6, 0.2, 0.2]}
    plain = RECIPES[name] | {
        "data": data | RECIPES[name].get("data", {}),
        "training": {"epochs": epochs, "batch_size": 5, "checkpoint_seconds": 0, "schedule": "cosine", "flip": True}
        | own
        | training,
    }
    return recipe_from(plain, name=name, origin="test")


def final_state(run):
    """Everything that training decided: best weights and history, times aside."""
    weights = []
    with h5py.File(run.folder / "best.weights.h5") as file:
        file.visititems(lambda _, item: weights.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    assert weights
    times = ("seconds", "images_per_second")
    return weights, [{key: row[key] for key in row if key not in times} for row in run.history()]


def assert_same(first, second):
    (weights, history), (other_weights, other_history) = final_state(first), final_state(second)
    for one, other in zip(weights, other_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    assert history == other_history


class StopAt(Reporter):
    """A signal, Ctrl-C's by default, at a step; or an interrupt at the end of an epoch."""

    def __init__(self, epoch, step=None, number=signal.SIGINT):
        self.at = (epoch, step)
        self.number = number

    def step(self, epoch, step, terms):
        # Calls take several steps, so that not each of them is reported.
        if self.at[1] is not None and epoch == self.at[0] and step >= self.at[1]:
            os.kill(os.getpid(), self.number)

    def epoch(self, row):
        if (row["epoch"], None) == self.at:
            raise KeyboardInterrupt


@pytest.fixture
def signals_as_in_a_terminal():
    """Undo what a shell does to jobs in its background, and nohup: signals are ignored, and Python leaves it so."""
    usual = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_DFL}
    numbers = {getattr(signal, name): handler for name, handler in usual.items() if hasattr(signal, name)}
    before = {number: signal.signal(number, handler) for number, handler in numbers.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Keep decoded images away from the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERASAE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Return, for a name, a recipe and the run of it that nothing stopped."""
    place = tmp_path_factory.mktemp("uninterrupted")
    folder = write_images(place / "images", smooth_images(24))

    @cache
    def trained(name):
        recipe = recipe_of(name, folder)
        return recipe, train(recipe, runs=place / "runs")

    return trained


@pytest.mark.usefixtures("signals_as_in_a_terminal")
@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("stop", [(1, None), (3, None), (3, 2)], ids=["epoch_1", "epoch_3", "inside_epoch_3"])
def test_interrupted_and_resumed_equals_uninterrupted(name, stop, uninterrupted, tmp_path):
    recipe, whole = uninterrupted(name)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, runs=tmp_path, reporter=StopAt(*stop))
    stopped = load_run("latest", tmp_path)
    assert stopped.record.status == "stopped"
    assert not stopped.is_finished
    assert_same(train(recipe, runs=tmp_path), whole)


def test_an_older_checkpoint_gives_the_same_end(uninterrupted, tmp_path):
    recipe, whole = uninterrupted("vae")
    rare = recipe_of("vae", recipe.data.path, checkpoint_seconds=3600)
    with pytest.raises(KeyboardInterrupt):
        train(rare, runs=tmp_path, reporter=StopAt(3))
    assert_same(train(rare, runs=tmp_path), whole)


def test_a_finished_run_is_returned_and_force_trains_it_again(image_folder, tmp_path):
    recipe = recipe_of("noisy_autoencoder", image_folder)
    first = train(recipe, runs=tmp_path)
    written = (first.folder / "run.json").stat().st_mtime_ns
    assert train(recipe, runs=tmp_path).folder == first.folder
    assert (first.folder / "run.json").stat().st_mtime_ns == written
    train(recipe, runs=tmp_path, force=True)
    assert (first.folder / "run.json").stat().st_mtime_ns > written


@pytest.mark.usefixtures("signals_as_in_a_terminal")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_keeps_the_last_finished_epoch(name, uninterrupted, tmp_path):
    recipe, whole = uninterrupted("vae")
    rare = recipe_of("vae", recipe.data.path, checkpoint_seconds=3600)
    number = getattr(signal, name)
    before = signal.getsignal(number)
    with pytest.raises(KeyboardInterrupt if name == "SIGINT" else SystemExit) as ended:
        train(rare, runs=tmp_path, reporter=StopAt(4, 2, number))
    assert name == "SIGINT" or ended.value.code == 128 + number
    assert signal.getsignal(number) is before
    stopped = load_run("latest", tmp_path)
    assert (stopped.record.status, stopped.record.epochs_done, len(stopped.history())) == ("stopped", 3, 3)
    begun = []
    resumed = Reporter()
    resumed.begin = lambda **about: begun.append(about["epochs_done"])
    assert_same(train(rare, runs=tmp_path, reporter=resumed), whole)
    assert begun == [3]


def test_a_killed_run_is_stopped_and_goes_on_in_the_folder_that_is_named(uninterrupted, tmp_path):
    recipe, whole = uninterrupted("vae")
    with pytest.raises(KeyboardInterrupt):
        train(recipe, runs=tmp_path, reporter=StopAt(2))
    run = load_run("latest", tmp_path)
    run = run.write_record(replace(run.record, status="training"))
    assert run.status == "stopped"
    with locked(run.folder):
        assert run.status == "training"
    renamed = run.folder.rename(tmp_path / "renamed")
    assert_same(train(recipe, folder=renamed), whole)
    assert load_run(renamed).record.name == "renamed"
    assert [one.name for one in list_runs(tmp_path)] == ["renamed"]


def test_a_run_that_another_process_finishes_meanwhile_is_not_trained_again(uninterrupted, tmp_path, monkeypatch):
    recipe, whole = uninterrupted("vae")

    @contextmanager
    def late(folder, devices, *, force):
        shutil.copytree(whole.folder, folder)
        yield folder

    monkeypatch.setattr(train_run, "locked_run_folder", late)
    begun = Reporter()
    begun.begin = lambda **about: pytest.fail("it was trained again")
    assert train(recipe, runs=tmp_path, reporter=begun).is_finished


def test_images_that_changed_are_noticed_by_whatever_uses_a_finished_run(image_folder, tmp_path):
    recipe = recipe_of("vae", image_folder, epochs=1)
    run = train(recipe, runs=tmp_path)
    (image_folder / "new.png").write_bytes((image_folder / "001.png").read_bytes())
    match = "was begun on other images .*24 images then, 25 now"
    for use in (train, lambda recipe, runs: evaluate(run), lambda recipe, runs: noise_sweep([run])):
        with pytest.raises(RunError, match=match):
            use(recipe, runs=tmp_path)
    assert train(recipe, runs=tmp_path, force=True).record.image_counts["train"] == 15


def test_other_images_are_refused(image_folder, tmp_path):
    recipe = recipe_of("vae", image_folder)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, runs=tmp_path, reporter=StopAt(2))
    (image_folder / "000.png").write_bytes((image_folder / "001.png").read_bytes())
    with pytest.raises(RunError, match=r"was begun on other images .*start again with --force"):
        train(recipe, runs=tmp_path)


def test_a_broken_checkpoint_is_refused(image_folder, tmp_path):
    recipe = recipe_of("vae", image_folder)
    with pytest.raises(KeyboardInterrupt):
        train(recipe, runs=tmp_path, reporter=StopAt(2))
    [checkpoint] = tmp_path.glob("*/state/checkpoint.npz")
    checkpoint.write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"checkpoint\.npz is broken .*start again with --force"):
        train(recipe, runs=tmp_path)


_CHILD = """
import sys
from kerasae.runtime import choose_backend
choose_backend()
from tests.training.test_resume import recipe_of
from kerasae.training import train, Reporter
class Slow(Reporter):
    def epoch(self, row):
        import time
        print("epoch", flush=True)
        time.sleep(float(sys.argv[4]))
train(recipe_of(sys.argv[1], sys.argv[2], epochs=int(sys.argv[5])), runs=sys.argv[3], reporter=Slow())
"""


def kill_and_resume(name, image_folder, tmp_path, kills, epochs, pause, random):
    """Kill a training ``kills`` times at random moments, then let it end; return its run."""
    command = [sys.executable, "-c", _CHILD, name, str(image_folder), str(tmp_path / "killed"), str(pause), str(epochs)]
    for _ in range(kills):
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # From the first epoch of this life on, any moment: inside an epoch, in the validation, while writing.
        assert child.stdout.readline() == b"epoch\n", "the run ended before it could be killed as often as asked"
        time.sleep(random.uniform(0, 2 * pause))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    done = subprocess.run([*command[:-2], "0", command[-1]], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return load_run("latest", tmp_path / "killed")


@pytest.mark.parametrize("name", ["vae"])
def test_killed_twice(name, image_folder, tmp_path):
    killed = kill_and_resume(name, image_folder, tmp_path, 2, 8, 0.2, random.Random(0))
    assert_same(killed, train(recipe_of(name, image_folder, epochs=8), runs=tmp_path / "whole"))


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_killed_twenty_times(name, image_folder, tmp_path):
    killed = kill_and_resume(name, image_folder, tmp_path, 20, 70, 0.1, random.Random(1))
    assert_same(killed, train(recipe_of(name, image_folder, epochs=70), runs=tmp_path / "whole"))
