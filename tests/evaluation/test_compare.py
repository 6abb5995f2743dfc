"""Comparisons of run folders with made-up scores."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from kerasae.errors import RunError
from kerasae.evaluation.compare import compare_runs
from kerasae.evaluation.statistics import bootstrap_interval
from kerasae.recipes import load_recipe, to_toml
from kerasae.records import Score, Summary
from kerasae.training import Run
from kerasae.training.run import image_scores_path, save_image_scores
from tests.reports.made_up import record

NAMES = tuple(f"{place:03}.png" for place in range(40))


def a_run(folder, name, recipe="ae_l2", psnr=None, names=NAMES, ways=("latents",), data="x", sigmas=(0.0,), set=()):
    """Write a run of which ``psnr`` holds a number per image, in the order of ``names``."""
    psnr = np.full(len(names), 20.0) if psnr is None else psnr
    path = folder / name
    path.mkdir(parents=True)
    (path / "recipe.toml").write_text(to_toml(load_recipe(recipe, set=set)))
    versions = {"keras": "3.15.1", "kerasae": "0.1.0"}
    run = Run(path).write_record(record(name, recipe_name=recipe, data_fingerprint=data, versions=versions))
    scores = []
    for sigma in sigmas:
        columns = {}
        for step, way in enumerate(ways):
            values = psnr - step - 10 * sigma
            columns[way] = {"mse": 10 ** (-values / 10), "psnr": values, "ssim": np.full(len(names), 0.5)}
            metrics = {metric: Summary(float(one.mean()), 1.0, 0.0, 1.0) for metric, one in columns[way].items()}
            scores.append(Score(name, "here", "test", sigma, way, len(names), metrics, 20.0))
        save_image_scores(image_scores_path(path, split="test", sigma=sigma, seed=0), names, columns)
    (path / "scores.json").write_text(json.dumps([score.as_dict() for score in scores]))
    return run


def test_differences_are_paired_by_name_with_the_interval_of_the_statistics(tmp_path):
    random = np.random.default_rng(0)
    difficulty, gain = random.normal(0, 3, 40), random.normal(0.5, 0.1, 40)
    first = a_run(tmp_path, "first", psnr=20 + difficulty)
    # In another order: pairing goes by name.
    second = a_run(tmp_path, "second", "ae_l1", psnr=(20 + difficulty + gain)[::-1], names=NAMES[::-1])
    _, row = compare_runs([first, second]).scores
    low, high = bootstrap_interval(gain[::-1])
    assert (row.against, row.paired_images) == ("latents", 40)
    assert row.psnr.mean == pytest.approx(gain.mean(), abs=1e-6)
    assert (row.psnr.low, row.psnr.high) == (pytest.approx(low, abs=1e-6), pytest.approx(high, abs=1e-6))
    # The images differ far more from each other than the runs do: unpaired, nothing would be seen.
    assert row.psnr.high - row.psnr.low < 0.1 < difficulty.std() / np.sqrt(40)
    assert (row.ssim.mean, row.ssim.low, row.ssim.high) == (0, 0, 0)


def test_only_what_differs_is_named(tmp_path):
    runs = [
        a_run(tmp_path, "a", "ae_l2"),
        a_run(tmp_path, "b", "ae_l2", set=["training.learning_rate=0.01"]),
        a_run(tmp_path, "c", "vae_baseline", ways=("mean", "sample")),
    ]
    assert compare_runs(runs[:2]).differs == {"training.learning_rate": (0.001, 0.01)}
    differs = compare_runs(runs).differs
    assert differs["model.kind"] == ("conv_autoencoder", "conv_autoencoder", "mlp_vae")
    assert differs["model.hidden"][:2] == (None, None)
    assert differs["regularizer.l2"] == (1e-5, 1e-5, 0.0)
    assert "name" not in differs
    assert "data.image_size" not in differs
    sections = [key.split(".")[0] for key in differs]
    assert sections == sorted(sections, key=sections.index)


def test_an_autoencoder_s_latents_stand_beside_mean_and_sample(tmp_path):
    plain = a_run(tmp_path, "ae")
    variational = a_run(tmp_path, "vae", "vae_baseline", ways=("mean", "sample"))
    rows = compare_runs([plain, variational]).scores
    assert [(row.score.decoded_from, row.against) for row in rows] == [
        ("latents", None), ("mean", "latents"), ("sample", "latents"),
    ]  # fmt: skip
    assert [row.psnr.mean for row in rows[1:]] == [pytest.approx(0), pytest.approx(-1)]
    rows = compare_runs([variational, plain]).scores
    assert [(row.score.run, row.against) for row in rows] == [("vae", None), ("vae", None), ("ae", "mean")]


def test_conditions_stay_together_and_one_that_the_first_lacks_has_no_difference(tmp_path):
    first, second = a_run(tmp_path, "clean"), a_run(tmp_path, "noisy", "ae_noise", sigmas=(0.0, 0.1))
    rows = compare_runs([first, second]).scores
    assert [(row.score.sigma, row.score.run) for row in rows] == [(0.0, "clean"), (0.0, "noisy"), (0.1, "noisy")]
    assert rows[2].against is None
    assert rows[2].psnr is None


@pytest.mark.parametrize(
    "other", [{"data": "y"}, {"names": tuple(f"other {place}" for place in range(40))}, {"names": NAMES[:30]}]
)
def test_other_images_have_no_interval_and_are_named(other, tmp_path):
    comparison = compare_runs([a_run(tmp_path, "first"), a_run(tmp_path, "second", **other)])
    row = comparison.scores[1]
    assert row.paired_images is None
    assert (row.psnr.mean, row.psnr.low, row.psnr.high) == (0, None, None)
    assert "second and first were not scored on the same images (test)" in comparison.sentences[0]
    assert not any("paired" in sentence for sentence in comparison.sentences)


def test_it_says_that_each_run_is_one_training(tmp_path):
    sentences = compare_runs([a_run(tmp_path, "a"), a_run(tmp_path, "b")]).sentences
    assert "Each run is one training: nothing here says how far another seed would have come out" in sentences[-1]


def test_what_cannot_be_compared_is_refused(tmp_path):
    first, second = a_run(tmp_path, "first"), a_run(tmp_path, "second")
    with pytest.raises(RunError, match=r"takes two runs or more; got 1"):
        compare_runs([first])
    with pytest.raises(RunError, match=r"first is named twice"):
        compare_runs([first, second, first])
    image_scores_path(second.folder, split="test", sigma=0.0, seed=0).write_bytes(b"broken")
    with pytest.raises(RunError, match=r"\.npz cannot be read .*; delete it and evaluate again"):
        compare_runs([first, second])
    (second.folder / "scores.json").unlink()
    with pytest.raises(RunError, match=r"second has no scores \(it is finished after epoch 200\)"):
        compare_runs([first, second])


@pytest.mark.parametrize("columns", [80, 140])
def test_the_command_prints_both_tables_and_no_keras_is_loaded(columns, tmp_path):
    a_run(tmp_path, "ae_l2-3f2a9c1b04-jax-0", ways=("latents",), sigmas=(0.0, 0.1))
    gain = np.linspace(20.1, 20.5, 40)
    a_run(tmp_path, "vae_baseline-77e1aa0912-jax-0", "vae_baseline", gain, ways=("mean", "sample"), sigmas=(0.0, 0.1))
    script = (
        "import atexit, sys; from kerasae.cli.app import main; "
        "atexit.register(lambda: print('LOADED', [n for n in ('keras', 'tensorflow', 'jax', 'torch') "
        "if n in sys.modules])); "
        f"sys.argv = ['kerasae', 'runs', 'compare', 'ae_l2', 'vae', '--runs', {str(tmp_path)!r}]; main()"
    )
    environment = os.environ | {"COLUMNS": str(columns)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[-1] == "LOADED []"
    assert max(len(line) for line in lines if not line.startswith("figure: ")) <= columns
    for part in ("regularizer.l2", "model.kind", "20.30", "+0.30 [" if columns == 140 else "+0.30", "− latents", "one"):
        assert part in done.stdout, part
    assert "…" not in done.stdout


def test_json_holds_everything(kerasae, tmp_path):
    a_run(tmp_path / "runs", "one")
    a_run(tmp_path / "runs", "two", psnr=np.linspace(19, 22, 40))
    code, out, err = kerasae("runs", "compare", "one", "two", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["runs"] == ["one", "two"]
    assert found["scores"][1]["psnr"]["mean"] == pytest.approx(0.5)
    assert found["scores"][1]["paired_images"] == 40
    assert found["differs"] == {}
