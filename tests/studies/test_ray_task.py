import os
from dataclasses import replace

import pytest

import kerasae
from kerasae.errors import RunError
from kerasae.studies.engines import ray as ray_task
from kerasae.studies.engines.parcels import names_in, pack, pack_run, unpack, unpack_run
from kerasae.studies.engines.ray import do_job, settle
from kerasae.studies.perform import perform
from kerasae.studies.plan import Job
from kerasae.training import Run
from kerasae.training.run import locked
from tests.studies.tiny_jobs import tiny_job


@pytest.fixture
def on_a_node(monkeypatch, tmp_path):
    """Do a job as a node does, in this process; returns the result and the words told."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_task, "settle", lambda job: None)  # it changes the process for good

    def on_a_node(job, *, parcel=b"", version=kerasae.__version__, storage=None):
        words = []
        told = {"directory": str(tmp_path), "tell": lambda *word: words.append(word)}
        return do_job(job.as_dict(), parcel=parcel, version=version, storage=storage, **told), words

    return on_a_node


def test_a_run_is_made_elsewhere_and_comes_home(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs")
    result, words = on_a_node(job, parcel=pack_run(job))
    assert result["outcome"]["status"] == "finished", result["outcome"]
    assert words == [("started", 0, 0), *(("progress", done, 2) for done in range(3))]
    assert not (tmp_path / "runs").exists()
    unpack_run(result["parcel"], job, [])
    run = Run(tmp_path / "runs" / job.name)
    assert run.is_finished
    assert run.scores()
    assert run.image_scores(split="test", sigma=0.1)


def test_a_finished_run_is_scored_where_it_is_sent(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs", sigmas=(0.0,))
    assert perform(job).status == "finished"
    model = tmp_path / "runs" / job.name / "model.keras"
    before = model.read_bytes()
    more = replace(job, sigmas=(0.0, 0.2))
    result, words = on_a_node(more, parcel=pack_run(more))
    unpack_run(result["parcel"], more, names_in(pack_run(more)))
    assert words == [("started", 0, 0)], "it was trained again"
    assert model.read_bytes() == before
    assert Run(model.parent).image_scores(split="test", sigma=0.2)


def test_an_unfinished_run_goes_on_elsewhere(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs", epochs=3, changes=["training.checkpoint_seconds=0"])

    class Killed(BaseException):
        pass

    def kill(done, total):
        if done == 2:
            raise Killed

    with pytest.raises(Killed):
        perform(job, kill)
    parcel = pack_run(job)
    assert f"{job.name}/state/checkpoint.npz" in names_in(parcel)
    result, words = on_a_node(job, parcel=parcel)
    assert ("progress", 0, 3) not in words, "it began anew"
    unpack_run(result["parcel"], job, names_in(parcel))
    run = Run(tmp_path / "runs" / job.name)
    assert run.is_finished
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]
    assert not (run.folder / "state" / "checkpoint.npz").exists(), "what has served is left behind"


def test_the_study_folder_of_a_yardstick_comes_home(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs", kind="do nothing", name="do nothing")
    result, _ = on_a_node(job)
    unpack(result["parcel"], tmp_path / "runs" / "study-tiny")
    assert (tmp_path / "runs" / "study-tiny" / "evaluations" / "test_sigma_0.1_seed_0.npz").is_file()


def test_a_failure_names_the_node_and_the_folder_that_was_meant(on_a_node, image_folder, tmp_path, monkeypatch):
    def refuse(job, tell):
        raise RunError(f"{job.runs}/x is broken")

    monkeypatch.setattr("kerasae.studies.perform._perform", refuse)
    result, _ = on_a_node(tiny_job(image_folder, tmp_path / "runs"))
    message = f"{tmp_path}/runs/x is broken (on {os.uname().nodename})"
    assert result["outcome"] | {"seconds": 0} == {"status": "failed", "message": message, "seconds": 0, "found": {}}


def test_another_version_on_a_node_is_told(on_a_node, image_folder, tmp_path):
    result, words = on_a_node(tiny_job(image_folder, tmp_path / "runs"), version="0.0.0")
    assert result["outcome"]["status"] == "failed"
    assert f"has kerasae {kerasae.__version__}, the study runs with 0.0.0" in result["outcome"]["message"]
    assert not words


def test_a_run_that_another_process_trains_is_not_touched(image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs")
    folder = tmp_path / "elsewhere" / job.name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("new")
    (tmp_path / "runs" / job.name).mkdir(parents=True)
    parcel = pack(tmp_path / "elsewhere")
    with locked(tmp_path / "runs" / job.name), pytest.raises(RunError, match="is being trained by another process"):
        unpack_run(parcel, job, [])
    assert not (tmp_path / "runs" / job.name / "run.json").exists()


@pytest.mark.parametrize(
    ("cpus", "gpus", "expected"),
    [
        (0.5, 0, {"OMP_NUM_THREADS": "1", "NPROC": "1", "CUDA_VISIBLE_DEVICES": ""}),
        (3, 1, {"OMP_NUM_THREADS": "3", "TF_NUM_INTRAOP_THREADS": "3", "CUDA_VISIBLE_DEVICES": "7"}),
        (1, 0.5, {"CUDA_VISIBLE_DEVICES": "7", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}),
    ],
)
def test_a_job_takes_what_was_set_aside_for_it(monkeypatch, tmp_path, cpus, gpus, expected):
    environment = {"CUDA_VISIBLE_DEVICES": "7", "OMP_NUM_THREADS": "64"}
    monkeypatch.setattr(ray_task.os, "environ", environment)
    settle(Job("run", "x", "jax", {}, "", "", "test", (0.0,), cpus=cpus, gpus=gpus))
    assert expected.items() <= environment.items()
    assert ("XLA_PYTHON_CLIENT_PREALLOCATE" in environment) == (0 < gpus < 1)
