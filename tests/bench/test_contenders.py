import json
from dataclasses import asdict
from importlib.util import find_spec
from inspect import signature

import numpy as np
import pytest

from kerasae.bench import measure_speed
from kerasae.bench.contenders import EVALUATION_BATCH_SIZE, PlainTorch, answer
from kerasae.bench.keras_contender import KerasContender
from kerasae.evaluation.scorer import measure
from tests.conftest import BACKEND, smooth_images


def test_this_backend_against_the_plain_loop():
    said = []
    result = measure_speed(
        models=["ae"],
        backends=[BACKEND],
        rounds=2,
        seconds_per_round=0.01,
        images=smooth_images(6),
        on_progress=said.append,
    )
    contenders = {"plain", BACKEND} if find_spec("torch") else {BACKEND}
    assert {each.contender for each in result.measurements} == contenders
    assert {(each.task, len(each.images_per_second)) for each in result.measurements} == {("train", 2), ("evaluate", 2)}
    assert all(speed > 0 for each in result.measurements for speed in each.images_per_second)
    # The plain loop trains the very model: 741 weights; and both name where they ran.
    assert {each.parameters for each in result.measurements} == {741}
    assert all(each.device for each in result.measurements)
    assert set(result.ratios) == ({f"train/ae/{BACKEND}", f"evaluate/ae/{BACKEND}"} if find_spec("torch") else set())
    assert any(BACKEND in line and "round 2 of 2" in line for line in said)
    read = json.loads(json.dumps(asdict(result)))
    assert read["batch_size"] == read["images"] == 6


def test_the_plain_loop_evaluates_in_the_batches_of_evaluate():
    assert signature(measure).parameters["batch_size"].default == EVALUATION_BATCH_SIZE


def test_training_trains_and_counts_whole_epochs():
    contender = KerasContender(smooth_images(6), batch_size=4)
    assert answer(contender, {"do": "prepare", "model": "ae"})["parameters"] == 741
    before = contender.trainer.autoencoder.get_weights()
    steps = int(contender.trainer.optimizer.iterations)
    found = answer(contender, {"do": "measure", "task": "train", "seconds": 1e-9})
    assert int(contender.trainer.optimizer.iterations) == steps + 2
    assert found["images_per_second"] > 0
    assert any(
        np.abs(new - old).max() > 0
        for new, old in zip(contender.trainer.autoencoder.get_weights(), before, strict=True)
    )


def test_the_plain_vae_is_the_reference_studys():
    pytest.importorskip("torch")
    images = smooth_images(6)
    plain = PlainTorch(images, batch_size=4)
    theirs = KerasContender(images, batch_size=4)
    assert plain.build("vae") == theirs.build("vae")
    before = [weights.detach().clone() for weights in plain.model.parameters()]
    assert plain.train(1e-9) > 0
    assert all((new != old).any() for new, old in zip(plain.model.parameters(), before, strict=True))
    assert plain.evaluate(1e-9) > 0


def test_the_plain_autoencoder_learns():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    plain = PlainTorch(smooth_images(24), batch_size=8)
    plain.build("ae")
    losses = [float(plain.loss(plain.images))]
    for _ in range(10):
        plain.train(1e-9)
    losses.append(float(plain.loss(plain.images)))
    assert losses[1] < losses[0]
