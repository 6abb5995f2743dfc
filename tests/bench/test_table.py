from rich.console import Console

from kerasae.bench import BenchResult, Measurement, bench_table
from kerasae.bench.run import paired_ratios


def shown(measurements, left_out, width=160):
    result = BenchResult(
        images=1024,
        image_shape=(128, 128, 1),
        batch_size=128,
        seconds_per_round=8.0,
        processors=2,
        versions={},
        measurements=measurements,
        left_out=left_out,
        ratios=paired_ratios(measurements),
    )
    console = Console(width=width)
    with console.capture() as capture:
        console.print(bench_table(result))
    return capture.get()


def test_medians_and_ratios_stand_in_a_row():
    plain = Measurement("plain", "ae", "train", (1000.0, 2000.0, 4000.0), "cpu")
    jax = Measurement("jax", "ae", "train", (1500.0, 4000.0, 4000.0), "cpu")
    text = shown((jax, plain), {"tensorflow": "not installed"})
    row = next(line for line in text.splitlines() if "jax" in line)
    assert row.split() == ["training", "ae", "jax", "4,000", "1,500–4,000", "1.50", "1.00–2.00"]
    assert "device: cpu" in text
    assert "left out: tensorflow (not installed)" in text
    assert "1,024 images of 128×128×1, trained on in batches of 128" in text


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
