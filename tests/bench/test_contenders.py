import json
import os
import subprocess
from dataclasses import asdict
from importlib.util import find_spec
from inspect import signature
from pathlib import Path

import numpy as np
import pytest

from kerasae.bench import measure_speed
from kerasae.bench.contenders import EVALUATION_BATCH_SIZE, Bounds, PlainTorch, answer
from kerasae.bench.keras_contender import KerasContender
from kerasae.evaluation.scorer import measure
from tests.conftest import BACKEND, once, smooth_images


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
    assert set(result.ratios) == (
        {f"train/ae/6/{BACKEND}", f"evaluate/ae/6/{BACKEND}"} if find_spec("torch") else set()
    )
    assert any(BACKEND in line and "round 2 of 2" in line for line in said)
    read = json.loads(json.dumps(asdict(result)))
    assert read["images"] == 6
    assert {each["batch_size"] for each in read["measurements"]} == {6}


def test_the_plain_loop_evaluates_in_the_batches_of_evaluate():
    assert signature(measure).parameters["batch_size"].default == EVALUATION_BATCH_SIZE


def test_training_trains_and_counts_whole_epochs():
    contender = KerasContender(smooth_images(6))
    facts = answer(contender, {"do": "prepare", "model": "ae", "batch_size": 4})
    assert facts["parameters"] == 741
    # Of 32×32 pixels: 16×16×8, 8×8×4, 16×16×8 and 32×32 numbers; every kernel's products at each of its positions.
    assert facts["numbers_per_image"] == 2 * 16 * 16 * 8 + 8 * 8 * 4 + 32 * 32
    products = 9 * (16 * 16 * 8 + 8 * 8 * 32 + 8 * 8 * 32 + 16 * 16 * 8)
    assert facts["flops_per_image"] == 3 * 2 * products
    assert facts["first_epoch_seconds"] > 0
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
    plain, theirs = PlainTorch(images), KerasContender(images)
    assert plain.build("vae", 4)["parameters"] == theirs.build("vae", 4)["parameters"]
    before = [weights.detach().clone() for weights in plain.model.parameters()]
    assert plain.train(1e-9) > 0
    assert all((new != old).any() for new, old in zip(plain.model.parameters(), before, strict=True))
    assert plain.evaluate(1e-9) > 0


def test_the_plain_autoencoder_learns():
    torch = pytest.importorskip("torch")
    torch.manual_seed(0)
    plain = PlainTorch(smooth_images(24))
    plain.build("ae", 8)
    losses = [float(plain.loss(plain.images))]
    for _ in range(10):
        plain.train(1e-9)
    losses.append(float(plain.loss(plain.images)))
    assert losses[1] < losses[0]


@once
def test_the_script_for_a_gpu_runs_small_on_a_cpu():
    root = Path(__file__).parents[2]
    environment = os.environ | {"BACKENDS": "torch", "COLUMNS": "120"}
    done = subprocess.run(
        [root / "benchmarks" / "gpu.sh", "--small"], env=environment, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(("training ", "evaluation "))]
    assert [row[:3] for row in rows] == [
        ["training", "ae", "plain"],
        ["training", "ae", "torch"],
        ["evaluation", "ae", "plain"],
        ["evaluation", "ae", "torch"],
        ["training", "codec", "torch"],
        ["evaluation", "codec", "torch"],
    ]
    assert all(row[-1] == "%" for row in rows if row[0] == "training")
    assert "a product in float32 of" in " ".join(done.stdout.split())


def test_the_bounds_are_of_a_copy_and_of_a_product():
    pytest.importorskip("torch")
    found = Bounds(None).measure(0.01)
    assert 1e8 < found["bytes_per_second"] < 1e14
    assert 1e8 < found["flops_per_second"] < 1e16
