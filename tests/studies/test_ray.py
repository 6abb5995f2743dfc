"""A job on a node, and a real cluster of two nodes on this machine, on the loopback interface."""

import os
import socket
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

import kerasae
from kerasae.errors import RunError, StudyError
from kerasae.studies.engines import ray as ray_engine
from kerasae.studies.engines.archives import archive_names, pack, pack_run, unpack, unpack_run
from kerasae.studies.engines.ray import RayEngine, connect, fits_a_node, limit_resources, run_job_on_node
from kerasae.studies.plan import Job
from kerasae.studies.run import run_job
from kerasae.training import Run
from kerasae.training.run import locked
from tests.conftest import once
from tests.studies.made_up import tiny_job

# Not imported here: it reads its environment when it is.
needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")

NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.1"}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with a CPU each; the first is the head, which the driver connects to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # loopback only
        for name, value in ray_engine.QUIET.items():
            patch.setenv(name, value)
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
        try:
            cluster.add_node(**NODE)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


class Events(list):
    """Keeps the events of an engine."""

    def __init__(self, then=lambda event: None):
        self.then = then

    def __call__(self, event):
        self.append(event)
        self.then(event)

    def per_job(self, kind):
        return Counter(event.job for event in self if event.kind == kind)


@needs_ray
@once
def test_a_node_dies_and_the_study_ends_complete(cluster, image_folder, tmp_path, capfd):
    runs, storage = tmp_path / "runs", tmp_path / "storage"
    good = [tiny_job(image_folder, runs, seed=seed, epochs=60) for seed in (0, 1)]
    bad = tiny_job(image_folder, runs, changes=["training.learning_rate=1e30"])
    nothing = tiny_job(image_folder, runs, kind="do nothing", name="do nothing")
    jobs, at_work, killed = [*good, bad, nothing], set(), []

    def kill_when_both_nodes_work(event):
        (at_work.discard if event.kind == "ended" else at_work.add)(event.job)
        # A CPU a node and a CPU a job: two that are at work are on two nodes.
        if event.done >= 20 and len(at_work) == 2 and not killed:
            killed.append(next(iter(cluster.worker_nodes)))
            cluster.remove_node(killed[0], allow_graceful=False)

    events = Events(kill_when_both_nodes_work)
    outcomes = RayEngine(cluster.address, storage=f"file://{storage}")(jobs, events)
    assert killed
    written = capfd.readouterr()
    assert written == ("", ""), "Ray wrote among a study's own lines"
    expected = {job.name: "finished" for job in jobs} | {bad.name: "failed"}
    assert {name: outcome.status for name, outcome in outcomes.items()} == expected
    assert "the loss stopped being a finite number" in outcomes[bad.name].message
    assert events.per_job("ended") == Counter(job.name for job in jobs)
    starts = events.per_job("started")
    lost = [job for job in jobs if starts[job.name] == 2]
    assert len(lost) == 1, f"one job was lost and none but that done again: {starts}"
    assert sum(starts.values()) == len(jobs) + 1
    assert {path.name for path in runs.iterdir()} == {*(job.name for job in [*good, bad]), "study-tiny"}
    assert Run(runs / bad.name).record.status == "failed"
    assert (runs / "study-tiny" / "evaluations" / "test_sigma_0.1_seed_0.npz").is_file()
    assert {path.name for path in storage.iterdir()} == {*(f"{job.name}.tar" for job in [*good, bad]), "do-nothing.tar"}
    for job in good:
        run = Run(runs / job.name)
        assert run.is_finished
        assert run.scores()
        assert [row["epoch"] for row in run.history()] == list(range(1, 61))
    equal_to_one_made_here(lost[0], tmp_path)


def equal_to_one_made_here(job, tmp_path):
    import torch

    here = Job.from_dict(job.as_dict() | {"runs": str(tmp_path / "here")})
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # as a job with one CPU has
    try:
        assert run_job(here).status == "finished"
    finally:
        torch.set_num_threads(threads)
    there, here = Run(tmp_path / "runs" / job.name), Run(tmp_path / "here" / job.name)
    weights = [run.load_model().get_weights() for run in (there, here)]
    for one, other in zip(*weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    for sigma in job.sigmas:
        for one, other in zip(*(run.image_scores(split="test", sigma=sigma) for run in (there, here)), strict=True):
            assert one.names == other.names
            np.testing.assert_allclose(one.psnr, other.psnr, atol=0.02)


@needs_ray
@once
def test_without_an_address_a_cluster_of_this_machine_is_started_and_ended(image_folder, tmp_path):
    import ray

    job, events = tiny_job(image_folder, tmp_path / "runs"), Events()
    outcomes = RayEngine()([job], events)
    assert outcomes[job.name].status == "finished", outcomes
    assert events.per_job("progress") == {job.name: 3}
    run = Run(tmp_path / "runs" / job.name)
    assert run.is_finished
    assert run.image_scores(split="test", sigma=0.1)
    assert not ray.is_initialized()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@needs_ray
def test_an_address_where_nobody_listens():
    port = free_port()
    with pytest.raises(StudyError, match=f"no Ray cluster answers at 127.0.0.1:{port} .*refused"):
        RayEngine(f"127.0.0.1:{port}")([], Events())


@needs_ray
@once
def test_an_address_where_something_else_listens(monkeypatch):
    monkeypatch.setattr(ray_engine, "_TIMEOUT_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(StudyError, match=f"what listens at {address} does not answer as a Ray cluster does"):
            RayEngine(address)([], Events())


@needs_ray
@pytest.mark.parametrize("address", ["here", "ray://10.0.0.1:10001", "10.0.0.1:port"])
def test_what_is_no_address(address):
    with pytest.raises(StudyError, match="is not an address; it is host:port"):
        RayEngine(address)([], Events())


@needs_ray
def test_no_cluster_to_be_found(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(StudyError, match="found no Ray cluster on this machine; start one with: ray start --head"):
        RayEngine("auto")([], Events())


def test_without_ray(monkeypatch):
    monkeypatch.setattr(ray_engine.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"pip install 'kerasae\[ray\]'"), connect(None):
        pass


def test_what_no_node_fits_a_node():
    nodes = [
        {"Alive": True, "Resources": {"CPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: nodes)

    def wants(cpus, gpus):
        return fits_a_node(ray, Job("run", "x", "jax", {}, "", "", "test", (0.0,), cpus=cpus, gpus=gpus))

    assert wants(2, 0)
    assert wants(1, 0.5)
    assert not wants(2, 1)
    assert not wants(3, 0)


@pytest.fixture
def on_a_node(monkeypatch, tmp_path):
    """Do a job as a node does, in this process; returns the result and the events reported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ray_engine, "limit_resources", lambda job: None)  # it changes the process for good

    def on_a_node(job, *, archive=b"", version=kerasae.__version__, storage=None):
        reported = []
        passed = {"directory": str(tmp_path), "report": lambda *event: reported.append(event)}
        return run_job_on_node(job.as_dict(), archive=archive, version=version, storage=storage, **passed), reported

    return on_a_node


def test_a_run_is_made_elsewhere_and_comes_back(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs")
    result, reported = on_a_node(job, archive=pack_run(job))
    assert result["outcome"]["status"] == "finished", result["outcome"]
    assert reported == [("started", 0, 0), *(("progress", done, 2) for done in range(3))]
    assert not (tmp_path / "runs").exists()
    unpack_run(result["archive"], job, [])
    run = Run(tmp_path / "runs" / job.name)
    assert run.is_finished
    assert run.scores()
    assert run.image_scores(split="test", sigma=0.1)


def test_a_finished_run_is_scored_where_it_is_sent(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs", sigmas=(0.0,))
    assert run_job(job).status == "finished"
    model = tmp_path / "runs" / job.name / "model.keras"
    before = model.read_bytes()
    more = replace(job, sigmas=(0.0, 0.2))
    result, reported = on_a_node(more, archive=pack_run(more))
    unpack_run(result["archive"], more, archive_names(pack_run(more)))
    assert reported == [("started", 0, 0)], "it was trained again"
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
        run_job(job, kill)
    archive = pack_run(job)
    assert f"{job.name}/state/checkpoint.npz" in archive_names(archive)
    result, reported = on_a_node(job, archive=archive)
    assert ("progress", 0, 3) not in reported, "it began anew"
    unpack_run(result["archive"], job, archive_names(archive))
    run = Run(tmp_path / "runs" / job.name)
    assert run.is_finished
    assert [row["epoch"] for row in run.history()] == [1, 2, 3]
    assert not (run.folder / "state" / "checkpoint.npz").exists(), "what has served is left behind"


def test_the_scores_of_doing_nothing_come_back(on_a_node, image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs", kind="do nothing", name="do nothing")
    result, _ = on_a_node(job)
    unpack(result["archive"], tmp_path / "runs" / "study-tiny")
    assert (tmp_path / "runs" / "study-tiny" / "evaluations" / "test_sigma_0.1_seed_0.npz").is_file()


def test_a_failure_names_the_node_and_the_folder_that_was_meant(on_a_node, image_folder, tmp_path, monkeypatch):
    def refuse(job, report):
        raise RunError(f"{job.runs}/x is broken")

    monkeypatch.setattr("kerasae.studies.run._run_on_backend", refuse)
    result, _ = on_a_node(tiny_job(image_folder, tmp_path / "runs"))
    message = f"{tmp_path}/runs/x is broken (on {os.uname().nodename})"
    assert result["outcome"] | {"seconds": 0} == {"status": "failed", "message": message, "seconds": 0, "result": {}}


def test_another_version_on_a_node_is_refused(on_a_node, image_folder, tmp_path):
    result, reported = on_a_node(tiny_job(image_folder, tmp_path / "runs"), version="0.0.0")
    assert result["outcome"]["status"] == "failed"
    assert f"has kerasae {kerasae.__version__}, the study runs with 0.0.0" in result["outcome"]["message"]
    assert not reported


def test_a_run_that_another_process_trains_is_not_touched(image_folder, tmp_path):
    job = tiny_job(image_folder, tmp_path / "runs")
    folder = tmp_path / "elsewhere" / job.name
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("new")
    (tmp_path / "runs" / job.name).mkdir(parents=True)
    archive = pack(tmp_path / "elsewhere")
    with locked(tmp_path / "runs" / job.name), pytest.raises(RunError, match="is being trained by another process"):
        unpack_run(archive, job, [])
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
    monkeypatch.setattr(ray_engine.os, "environ", environment)
    limit_resources(Job("run", "x", "jax", {}, "", "", "test", (0.0,), cpus=cpus, gpus=gpus))
    assert expected.items() <= environment.items()
    assert ("XLA_PYTHON_CLIENT_PREALLOCATE" in environment) == (0 < gpus < 1)
