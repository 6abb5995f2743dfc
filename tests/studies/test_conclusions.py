"""Level against level: the right scores, the right verdicts, in plain words."""

from dataclasses import replace

import numpy as np
import pytest

from kerasae.recipes import load_study
from kerasae.records import StudyCell
from kerasae.studies.conclusions import CellResults, compare_levels, with_verdicts
from tests.studies.made_up import write_study

IMAGES = 60


def cell(level, psnr_by_sigma, *, seeds=3, spread=0.05, main="latents"):
    """Return a cell whose PSNR is as given, each seed off by ``spread`` in turn."""
    random = np.random.default_rng(len(level))
    images = np.random.default_rng(0).normal(0, 2, IMAGES)
    scores = {}
    for sigma, psnr in psnr_by_sigma.items():
        luck = spread * np.array([-1.0, 0.0, 1.0])[:seeds, None]
        values = psnr + images + luck + random.normal(0, 0.05, (seeds, IMAGES))
        scores[sigma, main] = {"psnr": values, "ssim": values / 100, "mse": 10 ** (-values / 10)}
    runs = tuple(f"{level}-{seed}" for seed in range(seeds))
    return CellResults(StudyCell({"regularizer": level}, runs, "jax", "ae_baseline"), scores, main)


@pytest.fixture
def study(tmp_path):
    return load_study(write_study(tmp_path))


def verdicts(comparisons, metric="psnr"):
    return {one.sigma: one.verdict for one in comparisons if one.metric == metric}


def test_what_differs_is_seen_and_what_does_not_is_not(study):
    found = with_verdicts(compare_levels(study, [cell("none", {0.0: 30, 0.1: 25}), cell("L2", {0.0: 30, 0.1: 26})]))
    assert verdicts(found) == {0.0: "none", 0.1: "higher"}
    noisy = next(one for one in found if one.metric == "psnr" and one.sigma == 0.1)
    assert noisy.difference == pytest.approx(1.0, abs=0.05)
    assert noisy.low < 1.0 < noisy.high
    assert (noisy.level, noisy.reference, noisy.seeds, noisy.images) == ("L2", "none", 3, IMAGES)


def test_robustness_is_the_change_on_the_same_images(study):
    found = with_verdicts(compare_levels(study, [cell("none", {0.0: 30, 0.1: 25}), cell("L2", {0.0: 28, 0.1: 27})]))
    change = [one for one in found if one.metric == "psnr_change"]
    assert [one.sigma for one in change] == [0.1]
    # L2 loses 1 dB where none loses 5.
    assert change[0].difference == pytest.approx(4.0, abs=0.1)
    assert change[0].verdict == "higher"
    assert change[0].sentence.startswith("σ 0.1: L2 against none in what noise costs in PSNR: +4.0")
    assert "more robust" in change[0].sentence


def test_a_difference_below_the_seeds_spread_is_never_ranked(study):
    sides = [cell("none", {0.0: 30, 0.1: 25}, spread=1.0), cell("L2", {0.0: 30.5, 0.1: 25.5}, spread=1.0)]
    found = with_verdicts(compare_levels(study, sides))
    assert set(verdicts(found).values()) == {"none"}
    assert all("no difference that this study can see." in one.sentence for one in found if one.metric == "psnr")
    # However small the interval is made to look.
    certain = [replace(one, low=0.4, high=0.6, p=1e-9) for one in found if one.metric == "psnr"]
    assert set(verdicts(with_verdicts(certain)).values()) == {"hint"}
    assert all("less than the seeds' own spread" in one.sentence for one in with_verdicts(certain))


def test_what_does_not_survive_the_correction_is_a_hint(study):
    found = compare_levels(study, [cell("none", {0.0: 30, 0.1: 25}), cell("L2", {0.0: 31, 0.1: 26})])
    one = next(one for one in found if one.metric == "psnr")
    family = [replace(one, p=0.04, sigma=place / 10) for place in range(3)]
    assert set(verdicts(with_verdicts(family)).values()) == {"hint"}
    assert "a hint that does not hold among 3 comparisons (p = 0.12 after Holm)" in with_verdicts(family)[0].sentence
    assert with_verdicts(family[:1])[0].verdict == "higher"


def test_questions_are_corrected_apart(study):
    one = compare_levels(study, [cell("none", {0.0: 30, 0.1: 25}), cell("L2", {0.0: 31, 0.1: 26})])[0]
    mixed = with_verdicts(
        [replace(one, p=0.03), replace(one, p=0.03, axis="model"), replace(one, p=0.03, metric="ssim")]
    )
    assert [other.p_holm for other in mixed] == [0.03] * 3


def test_one_seed_gives_no_verdict(study):
    sides = [cell("none", {0.0: 30, 0.1: 25}, seeds=1), cell("L2", {0.0: 35, 0.1: 30}, seeds=1)]
    found = with_verdicts(compare_levels(study, sides))
    assert set(verdicts(found).values()) == {"one seed"}
    assert "over images; with one seed a side, nothing can be said of another training." in found[0].sentence


def test_the_sentence_has_sign_interval_and_digits(study):
    found = with_verdicts(compare_levels(study, [cell("none", {0.0: 30, 0.1: 25}), cell("L2", {0.0: 27, 0.1: 25})]))
    first = found[0]
    low, high = (f"{value:.2f}".replace("-", "−") for value in (first.low, first.high))
    expected = f"clean: L2 against none in PSNR: −{abs(first.difference):.2f} dB [{low}, {high}], worse (p = "
    assert first.sentence.startswith(expected)


def test_a_missing_cell_is_no_comparison(study):
    assert compare_levels(study, [cell("L2", {0.0: 30, 0.1: 25})]) == []
