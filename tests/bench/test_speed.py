import pytest
from rich.console import Console

from kerasae.bench import Measurement, SpeedResult, measure_speed, speed, speed_table
from kerasae.bench.speed import ContenderProcess, images_per_second, least_bytes_per_image, paired_ratios
from kerasae.errors import BackendError, ModelError


def test_speed_is_images_over_the_time_they_took(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(speed.time, "perf_counter", lambda: now[0])

    def work():
        now[0] += 0.5

    # Three calls of half a second reach the 1.2 seconds asked for: 30 images in 1.5 seconds.
    assert images_per_second(work, 10, 1.2) == 20.0
    assert images_per_second(work, 10, 0.0) == 20.0


def measured(contender, speeds, task="train", model="ae"):
    return Measurement(contender=contender, model=model, task=task, images_per_second=speeds, batch_size=8)


def test_ratios_are_taken_round_by_round():
    # The machine was three times as fast in the second round: medians would say 900/600.
    found = paired_ratios((measured("plain", (100.0, 300.0, 600.0)), measured("jax", (200.0, 900.0, 1200.0))))
    assert found == {"train/ae/8/jax": (2.0, 3.0, 2.0)}


def test_ratios_stay_within_a_task_and_a_model():
    others = [measured("jax", (1.0,), model="vae"), measured("jax", (8.0,), task="evaluate")]
    found = paired_ratios((measured("plain", (2.0,)), measured("plain", (4.0,), task="evaluate"), *others))
    assert found == {"evaluate/ae/8/jax": (2.0,)}


def test_without_a_plain_loop_there_are_no_ratios():
    assert paired_ratios((measured("jax", (1.0,)),)) == {}


def test_rounds_must_match():
    with pytest.raises(ValueError, match="longer"):
        paired_ratios((measured("plain", (1.0, 2.0)), measured("jax", (1.0,))))


def test_least_bytes_of_an_image():
    # 10 weights of 4 bytes, each with 8 reads and writes for a batch of 4; 7 numbers, each with 5; 100 pixels.
    assert least_bytes_per_image(10, 4, 100, 7) == 80 + 140 + 100


def shown(measurements, left_out, width=160, bounds=None):
    result = SpeedResult(
        images=1024,
        image_shape=(128, 128, 1),
        seconds_per_round=8.0,
        processors=2,
        versions={},
        measurements=measurements,
        left_out=left_out,
        ratios=paired_ratios(measurements),
        bounds=bounds or {},
    )
    console = Console(width=width)
    with console.capture() as capture:
        console.print(speed_table(result))
    return capture.get()


def test_medians_and_ratios_stand_in_a_row():
    plain = Measurement("plain", "ae", "train", (1000.0, 2000.0, 4000.0), "cpu", batch_size=128)
    jax = Measurement("jax", "ae", "train", (1500.0, 4000.0, 4000.0), "cpu", batch_size=128)
    text = shown((jax, plain), {"tensorflow": "not installed"})
    row = next(line for line in text.splitlines() if "jax" in line)
    assert row.split() == ["training", "ae", "jax", "4,000", "1,500–4,000", "1.50", "1.00–2.00"]
    assert "device: cpu" in text
    assert "left out: tensorflow (not installed)" in text
    assert "1,024 images of 128×128×1, 2 processors; trained on in batches of 128 (ae)" in " ".join(text.split())


def test_shares_of_what_the_device_can_do():
    known = {"batch_size": 128, "first_epoch_seconds": 3.21, "least_bytes_per_image": 2e6, "flops_per_image": 1e7}
    found = (Measurement("jax", "ae", "train", (1000.0,), "gpu", 741, **known),)
    text = shown(found, {}, bounds={"bytes_per_second": 4e9, "flops_per_second": 1e11}, width=80)
    row = next(line for line in text.splitlines() if "jax" in line)
    assert row.split() == ["training", "ae", "jax", "1,000", "–", "3.2", "s", "50.0", "%", "10.0", "%"]
    assert "a copy of 4 GB/s and a product in float32 of 0.10 TFLOP/s" in " ".join(text.split())


def test_batch_sizes_are_shown_where_they_differ():
    found = tuple(Measurement("jax", "ae", "train", (1.0,), "cpu", batch_size=size) for size in (128, 1024))
    text = shown(found, {})
    assert "ae:128" in text
    assert "ae:1024" in text


def test_without_a_plain_loop_the_ratio_is_a_dash():
    text = shown((Measurement("jax", "vae", "evaluate", (10.0,), "cpu"),), {"plain": "PyTorch is not installed"})
    row = next(line for line in text.splitlines() if "jax" in line)
    assert row.split()[-1] == "–"


def test_nothing_is_cut_at_80_columns():
    speeds = (101234.0, 102345.0, 103456.0)
    found = [Measurement(name, "vae", "evaluate", speeds, name) for name in ("plain", "tensorflow")]
    text = shown(tuple(found), {}, width=80)
    assert "…" not in text
    row = next(line for line in text.splitlines() if line.split()[:3] == ["evaluation", "vae", "tensorflow"])
    assert row.split()[3:] == ["102,345", "101,234–103,456", "1.00", "1.00–1.00"]
    assert "devices: plain plain, tensorflow tensorflow" in text


def test_what_is_missing_is_named(monkeypatch):
    monkeypatch.setattr(speed, "installed_backends", lambda: ["jax"])
    monkeypatch.setattr(speed.importlib.util, "find_spec", lambda name: None)
    names, left_out = speed._contenders(None)
    assert names == ["jax"]
    assert set(left_out) == {"tensorflow", "torch", "plain"}
    with pytest.raises(BackendError, match=r"of torch, none is installed"):
        speed._contenders(["torch"])


def test_unknown_names_are_refused():
    with pytest.raises(
        ModelError, match="'cnn' is not a model of the bench; it is one of ae, vae, codec, alone or with"
    ):
        measure_speed(models=["cnn"])
    for name in ("ae:0", "ae:many", "ae:-1"):
        with pytest.raises(ModelError, match=f"'{name}' is not a model of the bench"):
            measure_speed(models=[name])
    with pytest.raises(BackendError, match="'theano' is not a backend; it is one of tensorflow, jax, torch"):
        measure_speed(backends=["theano"])


def test_a_contender_that_dies_says_why(tmp_path):
    with (
        ContenderProcess("plain", tmp_path / "missing.npy") as session,
        pytest.raises(BackendError, match="No such file"),
    ):
        session.ask(do="prepare", model="ae")
