"""The pool of processes: every job once, whatever becomes of its worker."""

import os

import pytest

from kerasae.studies.engines.process import ProcessEngine, worker_cores
from tests.studies.made_up import job, serve_by_name


def run(jobs, workers=2):
    events = []
    outcomes = ProcessEngine(workers, serve=serve_by_name)(jobs, events.append)
    return outcomes, events


def test_every_job_is_done_once_and_told_of():
    names = [f"run {place}" for place in range(7)]
    outcomes, events = run([job(name) for name in names])
    assert sorted(outcomes) == names
    for name in names:
        assert [event.kind for event in events if event.job == name] == ["started", "progress", "ended"]
    assert 1 <= len({outcome.result["process"] for outcome in outcomes.values()}) <= 2


def test_each_job_meets_its_backend():
    outcomes, _ = run([job("a", "jax"), job("b", "torch"), job("c", "jax"), job("d", "tensorflow")])
    backends = {name: outcome.result["backend"] for name, outcome in outcomes.items()}
    assert backends == {"a": "jax", "b": "torch", "c": "jax", "d": "tensorflow"}


def test_a_worker_that_dies_is_replaced_and_its_job_tried_again(tmp_path):
    outcomes, events = run([job("a"), job(f"die once@{tmp_path / 'died'}"), job("b"), job("c")])
    assert {outcome.status for outcome in outcomes.values()} == {"finished"}
    assert len(outcomes) == 4
    assert sum(event.kind == "ended" for event in events) == 4


def test_a_job_that_kills_its_worker_twice_has_failed_and_the_others_have_not():
    outcomes, _ = run([job("die"), job("a"), job("b")])
    assert outcomes["die"].status == "failed"
    assert "was killed by signal 9" in outcomes["die"].message
    assert "fewer --workers" in outcomes["die"].message
    assert outcomes["a"].status == outcomes["b"].status == "finished"


def test_a_job_that_fails_is_not_tried_again():
    outcomes, events = run([job("fail"), job("a")])
    assert (outcomes["fail"].status, outcomes["a"].status) == ("failed", "finished")
    assert sum(event.kind == "started" and event.job == "fail" for event in events) == 1


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="the system does not say which cores there are")
def test_workers_have_equal_shares_of_the_cores_and_none_in_common(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(7)))
    shares = [worker_cores(place, 3) for place in range(3)]
    assert [len(share) for share in shares] == [2, 2, 2]
    assert len({core for share in shares for core in share}) == 6
    assert worker_cores(0, 9) == []


def test_nothing_to_do_starts_nothing():
    assert run([]) == ({}, [])


def test_jobs_begin_in_the_order_they_have_whatever_their_backends():
    _, events = run([job("a", "torch"), job("b", "jax"), job("c", "torch")], workers=1)
    assert [event.job for event in events if event.kind == "started"] == ["a", "b", "c"]
