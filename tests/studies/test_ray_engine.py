"""A real cluster of two nodes on this machine, on the loopback interface."""

import socket
from collections import Counter
from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

from kerasae.errors import StudyError
from kerasae.studies.engines import ray as ray_cluster
from kerasae.studies.engines.ray import RayEngine, connected, could_do
from kerasae.studies.perform import perform
from kerasae.studies.plan import Job
from kerasae.training import Run
from tests.conftest import once
from tests.studies.tiny_jobs import tiny_job

if find_spec("ray") is None:
    pytest.skip("Ray is not installed", allow_module_level=True)
# Not imported here: what it makes of 127.0.0.1 is decided before.

NODE = {"num_cpus": 1, "num_gpus": 0, "object_store_memory": 80_000_000, "node_ip_address": "127.0.0.1"}


@pytest.fixture(scope="module")
def cluster():
    """Two nodes with a CPU each; the first is the head, which the driver connects to."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")  # loopback only
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args=NODE | {"include_dashboard": False})
        try:
            cluster.add_node(**NODE)
            yield cluster
        finally:
            ray.shutdown()
            cluster.shutdown()


class Heard:
    """Listens, and keeps what it hears."""

    def __init__(self, then=lambda event: None):
        self.events = []
        self.then = then

    def __call__(self, event):
        self.events.append(event)
        self.then(event)

    def count(self, kind):
        return Counter(event.job for event in self.events if event.kind == kind)


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

    heard = Heard(kill_when_both_nodes_work)
    outcomes = RayEngine(cluster.address, storage=f"file://{storage}")(jobs, heard)
    assert killed
    written = capfd.readouterr()
    assert written == ("", ""), "Ray wrote among a study's own lines"
    expected = {job.name: "finished" for job in jobs} | {bad.name: "failed"}
    assert {name: outcome.status for name, outcome in outcomes.items()} == expected
    assert "the loss stopped being a finite number" in outcomes[bad.name].message
    assert heard.count("ended") == Counter(job.name for job in jobs)
    starts = heard.count("started")
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
        assert perform(here).status == "finished"
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


@once
def test_without_an_address_a_cluster_of_this_machine_is_started_and_ended(image_folder, tmp_path):
    import ray

    job, heard = tiny_job(image_folder, tmp_path / "runs"), Heard()
    outcomes = RayEngine()([job], heard)
    assert outcomes[job.name].status == "finished", outcomes
    assert heard.count("progress") == {job.name: 3}
    run = Run(tmp_path / "runs" / job.name)
    assert run.is_finished
    assert run.image_scores(split="test", sigma=0.1)
    assert not ray.is_initialized()


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_an_address_where_nobody_listens():
    port = free_port()
    with pytest.raises(StudyError, match=f"no Ray cluster answers at 127.0.0.1:{port} .*refused"):
        RayEngine(f"127.0.0.1:{port}")([], Heard())


@once
def test_an_address_where_something_else_listens(monkeypatch):
    monkeypatch.setattr(ray_cluster, "_PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(StudyError, match=f"what listens at {address} does not answer as a Ray cluster does"):
            RayEngine(address)([], Heard())


@pytest.mark.parametrize("address", ["here", "ray://10.0.0.1:10001", "10.0.0.1:port"])
def test_what_is_no_address(address):
    with pytest.raises(StudyError, match="is not an address; it is host:port"):
        RayEngine(address)([], Heard())


def test_no_cluster_to_be_found(monkeypatch, tmp_path):
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    with pytest.raises(StudyError, match="found no Ray cluster on this machine; start one with: ray start --head"):
        RayEngine("auto")([], Heard())


def test_without_ray(monkeypatch):
    monkeypatch.setattr(ray_cluster.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(StudyError, match=r"pip install 'kerasae\[ray\]'"), connected(None):
        pass


def test_what_no_node_could_do():
    nodes = [
        {"Alive": True, "Resources": {"CPU": 2.0}},
        {"Alive": True, "Resources": {"CPU": 1.0, "GPU": 1.0}},
        {"Alive": False, "Resources": {"CPU": 64.0}},
    ]
    ray = SimpleNamespace(nodes=lambda: nodes)

    def wants(cpus, gpus):
        return could_do(ray, Job("run", "x", "jax", {}, "", "", "test", (0.0,), cpus=cpus, gpus=gpus))

    assert wants(2, 0)
    assert wants(1, 0.5)
    assert not wants(2, 1)
    assert not wants(3, 0)
