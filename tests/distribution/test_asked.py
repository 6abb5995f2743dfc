"""What is refused before anything is trained, in one sentence."""

import pytest

from kerasae.errors import BackendError
from kerasae.recipes import fingerprint, load_recipe
from kerasae.training.devices import asked_for, is_first_process
from tests.conftest import BACKEND


def environment(monkeypatch, **variables):
    for name in ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"):
        monkeypatch.delenv(f"KERAS_DISTRIBUTION_{name}", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(f"KERAS_DISTRIBUTION_{name}", value)


def recipe_on(devices):
    return load_recipe("ae_baseline", set=[f"training.devices={devices}"])


def test_one_device_is_the_default_on_every_backend(monkeypatch):
    environment(monkeypatch)
    for backend in ("tensorflow", "jax", "torch"):
        asked = asked_for(load_recipe("ae_baseline"), backend)
        assert (asked.devices, asked.processes, asked.process) == (1, 1, 0)
    assert is_first_process()


def test_two_of_three_processes(monkeypatch):
    environment(monkeypatch, JOB_ADDRESSES="127.0.0.1:1", NUM_PROCESSES="3", PROCESS_ID="1")
    asked = asked_for(recipe_on(6), "jax")
    assert (asked.devices, asked.processes, asked.process) == (6, 3, 1)
    assert not is_first_process()


@pytest.mark.parametrize(
    ("variables", "devices", "sentence"),
    [
        (
            ("h:1", "2", "0"),
            3,
            r"devices = 3 does not divide over 2 processes.*training\.devices=2, or another multiple",
        ),
        (("h:1", "2", "0"), 1, r"devices = 1 does not divide over 2 processes"),
        (("h:1", "2", "2"), 2, r"PROCESS_ID=2 is out of range; with .*NUM_PROCESSES=2 it is a number from 0 to 1"),
        (("h:1", "two", "0"), 2, r"NUM_PROCESSES='two' is not a whole number"),
        (("h:1", "2", ""), 2, r"PROCESS_ID is not set, but .* is; several processes need all three"),
        (("", "2", "0"), 2, r"JOB_ADDRESSES is not set"),
    ],
)
def test_what_does_not_fit_together(monkeypatch, variables, devices, sentence):
    environment(monkeypatch, **dict(zip(("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID"), variables, strict=True)))
    with pytest.raises(BackendError, match=sentence):
        asked_for(recipe_on(devices), "jax")


@pytest.mark.parametrize("backend", ["tensorflow", "torch"])
def test_other_backends_are_refused(monkeypatch, backend):
    environment(monkeypatch)
    with pytest.raises(BackendError, match=f"2 devices, which needs KERAS_BACKEND=jax and not {backend}"):
        asked_for(recipe_on(2), backend)
    environment(monkeypatch, JOB_ADDRESSES="127.0.0.1:1", NUM_PROCESSES="2", PROCESS_ID="0")
    with pytest.raises(BackendError, match=f"in 2 processes, which needs KERAS_BACKEND=jax and not {backend}"):
        asked_for(recipe_on(1), backend)


def test_the_command_line_says_it_in_one_line(kerasae, image_folder, monkeypatch, tmp_path):
    environment(monkeypatch)
    code, _, errors = kerasae(
        "train", "ae_baseline", "--data", f"folder:{image_folder}", "--set", "training.devices=64"
    )
    assert code == 2
    assert "Traceback" not in errors
    if BACKEND == "jax":
        assert "training.devices = 64 is more than there are: this machine has" in errors
        assert "XLA_FLAGS=--xla_force_host_platform_device_count=64" in errors
    else:
        assert f"needs KERAS_BACKEND=jax and not {BACKEND}" in errors
    assert not (tmp_path / "runs").exists()


def test_a_noise_sweep_is_one_process_s_work(kerasae, monkeypatch):
    environment(monkeypatch, JOB_ADDRESSES="127.0.0.1:1", NUM_PROCESSES="2", PROCESS_ID="0")
    code, _, errors = kerasae("noise-sweep")
    assert code == 2
    assert "noise-sweep works in one process" in errors


def test_devices_are_part_of_the_fingerprint():
    prints = {fingerprint(load_recipe("ae_l2", set=[f"training.devices={count}"])) for count in (1, 2, 3)}
    assert len(prints) == 3
