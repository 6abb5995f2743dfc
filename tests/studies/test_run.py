"""A study that is killed at any moment goes on to the same numbers, and leaves nobody behind."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from kerasae.studies.results import read_study
from tests.studies.made_up import write_study

COMMAND = "from kerasae.cli.app import main; main()"


def start(path, data, runs):
    arguments = ["study", path, "--data", f"folder:{data}", "--epochs", "40", "--runs", runs]
    arguments += ["--set", "training.checkpoint_seconds=0", "--set", "noise.sigma=0.1"]
    return subprocess.Popen(
        [sys.executable, "-c", COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def result(runs):
    (folder,) = runs.glob("study-tiny-*")
    record = read_study(folder)
    return record.cells, record.scores, record.comparisons, record.do_nothing, record.answer


def workers_of(runs):
    """Return the processes that hold a run's lock open in ``runs``."""
    found = []
    for process in os.listdir("/proc") if os.path.isdir("/proc") else []:
        try:
            links = [os.readlink(f"/proc/{process}/fd/{one}") for one in os.listdir(f"/proc/{process}/fd")]
        except OSError:
            continue
        if any(link.startswith(str(runs)) for link in links):
            found.append(process)
    return found


@pytest.mark.parametrize("kills", [2, pytest.param(5, marks=pytest.mark.slow)])
def test_killed_and_started_again_it_gives_identical_tables(tmp_path, image_folder, kills):
    path, undisturbed, disturbed = write_study(tmp_path), tmp_path / "whole", tmp_path / "killed"
    assert start(path, image_folder, undisturbed).wait(timeout=300) == 0
    moments = random.Random(0)
    for _ in range(kills):
        study = start(path, image_folder, disturbed)
        # Workers load their backends for some seconds first; then runs begin and end.
        deadline = time.monotonic() + 120
        while not workers_of(disturbed) and time.monotonic() < deadline and study.poll() is None:
            time.sleep(0.1)
        time.sleep(moments.uniform(0, 4))
        study.send_signal(signal.SIGKILL)
        study.wait(timeout=30)
        deadline = time.monotonic() + 10
        while workers_of(disturbed) and time.monotonic() < deadline:
            time.sleep(0.1)
        assert not workers_of(disturbed), "a worker outlived its study"
    assert start(path, image_folder, disturbed).wait(timeout=300) == 0
    assert result(disturbed) == result(undisturbed)
