import pytest

from kerasae.bench import Measurement
from kerasae.bench.run import least_bytes_per_step, paired_ratios


def measured(contender, speeds, task="train", model="ae"):
    return Measurement(contender=contender, model=model, task=task, images_per_second=speeds)


def test_ratios_are_taken_round_by_round():
    # The machine was three times as fast in the second round: medians would say 900/600.
    found = paired_ratios((measured("plain", (100.0, 300.0, 600.0)), measured("jax", (200.0, 900.0, 1200.0))))
    assert found == {"train/ae/jax": (2.0, 3.0, 2.0)}


def test_ratios_stay_within_a_task_and_a_model():
    others = [measured("jax", (1.0,), model="vae"), measured("jax", (8.0,), task="evaluate")]
    found = paired_ratios((measured("plain", (2.0,)), measured("plain", (4.0,), task="evaluate"), *others))
    assert found == {"evaluate/ae/jax": (2.0,)}


def test_without_a_plain_loop_there_are_no_ratios():
    assert paired_ratios((measured("jax", (1.0,)),)) == {}


def test_rounds_must_match():
    with pytest.raises(ValueError, match="longer"):
        paired_ratios((measured("plain", (1.0, 2.0)), measured("jax", (1.0,))))


def test_least_bytes_of_a_step():
    # 10 weights of 4 bytes, each with 8 reads and writes, and a batch of 100 bytes.
    assert least_bytes_per_step(10, 100) == 420
