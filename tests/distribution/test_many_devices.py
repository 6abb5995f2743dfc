"""Two devices, and two processes, train what one device trains."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from kerasae.evaluation import evaluate
from kerasae.recipes import to_toml
from kerasae.training import list_runs
from tests.conftest import BACKEND, smooth_images
from tests.distribution.recipes import NAMES, recipe_of

pytestmark = pytest.mark.skipif(BACKEND != "jax", reason="one model on many devices is JAX's alone")

# Seconds after which a process that hangs is killed; on a machine busy with other work the longest took 330.
_PATIENCE = 900
# Float tolerance: a step of training moves a weight by 1e-3, so that a batch lost or counted twice is far outside.
_CLOSE = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("images")
    for place, image in enumerate(smooth_images(24)):
        Image.fromarray(image[..., 0]).save(made / f"{place:03}.png")
    return made


def start(script, *arguments, **environment):
    about = {"KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.Popen(
        [sys.executable, Path(__file__).with_name(script), *map(str, arguments)],
        env=os.environ | about | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(*processes):
    """Wait for all, killing them where they take too long; return what they wrote to standard output."""
    try:
        said = [process.communicate(timeout=_PATIENCE) for process in processes]
    finally:
        for process in processes:
            process.kill()
    for process, (_, errors) in zip(processes, said, strict=True):
        assert process.returncode == 0, errors[-3000:]
    return [output for output, _ in said]


@pytest.fixture(scope="module")
def runs(folder, tmp_path_factory):
    """The runs of one device and of two: ``runs[devices, kind][recipe]``."""
    made = tmp_path_factory.mktemp("runs")
    flag = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count"
    finished(
        *(start("devices_worker.py", folder, made / f"{count}", count, XLA_FLAGS=f"{flag}={count}") for count in (1, 2))
    )
    return {
        (devices, kind): {run.record.recipe_name: run for run in list_runs(made / str(devices) / kind)}
        for devices, kind in ((1, "whole"), (2, "whole"), (2, "parts"))
    }


def weights_of(run):
    found = []
    with h5py.File(run.folder / "best.weights.h5") as file:
        file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def history_of(run):
    times = ("seconds", "images_per_second")
    return [{key: value for key, value in row.items() if key not in times} for row in run.history()]


def assert_close(weights, others, history, other_history):
    for one, other in zip(weights, others, strict=True):
        np.testing.assert_allclose(one, other, **_CLOSE)
    assert [row.keys() for row in history] == [row.keys() for row in other_history]
    for row, other in zip(history, other_history, strict=True):
        np.testing.assert_allclose(list(row.values()), list(other.values()), **_CLOSE)


@pytest.mark.parametrize("name", NAMES)
def test_two_devices_end_where_one_does(name, runs):
    one, two = runs[1, "whole"][name], runs[2, "whole"][name]
    assert_close(weights_of(two), weights_of(one), history_of(two), history_of(one))
    assert two.is_finished
    assert two.record.device == "2 × cpu"
    assert two.record.extra == {"devices": 2, "processes": 1}
    assert (one.record.device, one.record.extra) == ("cpu", {})
    assert two.record.fingerprint != one.record.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_every_image_is_scored_and_scores_as_after_one_device(name, runs):
    one, two = (evaluate(runs[devices, "whole"][name]) for devices in (1, 2))
    counts = runs[2, "whole"][name].record.image_counts
    assert counts["train"] == 15
    assert {score.split: score.count for score in two.scores} == {key: counts[key] for key in ("validation", "test")}
    for key, measured in two.measured.items():
        for decoded_from, metrics in measured.metrics.items():
            for metric, values in metrics.items():
                np.testing.assert_allclose(values, one.measured[key].metrics[decoded_from][metric], **_CLOSE)


def test_a_training_on_two_devices_resumes_to_the_same_bits(runs):
    whole, parts = runs[2, "whole"]["noisy_vae"], runs[2, "parts"]["noisy_vae"]
    assert history_of(parts) == history_of(whole)
    for one, other in zip(weights_of(parts), weights_of(whole), strict=True):
        np.testing.assert_array_equal(one, other)


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def test_two_processes_train_one_run(runs, folder, tmp_path):
    recipe = tmp_path / "noisy_vae.toml"
    recipe.write_text(to_toml(recipe_of("noisy_vae", folder, devices=2)))
    address = f"127.0.0.1:{free_port()}"
    processes = [
        start(
            "process_worker.py",
            *(tmp_path / f"{process}.npz", "train", recipe, "--runs", tmp_path / "runs", "--json"),
            KERAS_DISTRIBUTION_JOB_ADDRESSES=address,
            KERAS_DISTRIBUTION_NUM_PROCESSES="2",
            KERAS_DISTRIBUTION_PROCESS_ID=str(process),
        )
        for process in (0, 1)
    ]
    outputs = finished(*processes)
    [run] = list_runs(tmp_path / "runs")
    assert run.is_finished
    assert not (run.folder / "state").exists()
    assert run.record.extra == {"devices": 2, "processes": 2}
    assert {score["count"] for score in json.loads(outputs[0])} == {score.count for score in run.scores()}
    assert outputs[1] == "", "the first process alone scores"
    first, second = (np.load(tmp_path / f"{process}.npz") for process in (0, 1))
    assert json.loads(str(first["rows"])) == json.loads(str(second["rows"])) == history_of(run)
    names = [name for name in first.files if name.startswith("weight_")]
    for name in names:
        np.testing.assert_array_equal(first[name], second[name])
    one = runs[1, "whole"]["noisy_vae"]
    assert_close(weights_of(run), weights_of(one), history_of(run), history_of(one))
