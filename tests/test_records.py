"""Records as JSON: flat keys, those of the first version, read again whatever metrics there are."""

import json

import numpy as np
import pytest

from kerasae.errors import RunError
from kerasae.records import Example, RatePoint, Score, StudyRecord, Summary, read_json
from kerasae.training.run import load_examples, save_examples
from tests.reports.made_up import score
from tests.reports.made_up_report import example, rate_content, study

SUMMARY = {"mean", "std", "low", "high"}


def through_json(record):
    return json.loads(json.dumps(record.as_dict()))


def test_a_score_has_the_agreed_keys():
    plain = through_json(score())
    assert plain.keys() == {
        "run", "data", "split", "sigma", "decoded_from", "count", "mse", "psnr", "psnr_of_mean_mse", "ssim",
    }  # fmt: skip
    assert plain["psnr"].keys() == plain["mse"].keys() == plain["ssim"].keys() == SUMMARY
    assert through_json(score(kl_nats=2.5, active_units=3)).keys() == plain.keys() | {"kl_nats", "active_units"}


@pytest.mark.parametrize("more", [{}, {"kl_nats": 2.5, "active_units": 3}, {"bits_per_pixel": 0.4}])
def test_scores_come_back_from_json(more):
    assert Score.from_dict(through_json(score(**more))) == score(**more)
    other = Score("r", "here", "test", 0.1, "mean", 3, {"lpips": Summary(0.2, 0.1, 0.1, 0.3)}, 20.0, **more)
    assert Score.from_dict(through_json(other)) == other


def test_points_and_studies_come_back_from_json():
    for point in rate_content().points:
        plain = through_json(point)
        assert list(plain)[7:11] == ["psnr", "psnr_of_mean_mse", "ssim", "ms_ssim"]
        assert "metrics" not in plain
        assert RatePoint.from_dict(plain) == point
    record = study().study
    plain = through_json(record)
    assert plain["scores"][0]["psnr"]["per_seed"] == list(record.scores[0].metrics["psnr"].per_seed)
    assert StudyRecord.from_dict(plain) == record


def test_examples_come_back_and_those_of_the_first_version_are_read(tmp_path):
    some = [example("best", 30.0, seed=1), example("worst", 20.0, sigma=0.1, seed=2)]
    save_examples(tmp_path / "examples.npz", some)
    for one, other in zip(some, load_examples(tmp_path / "examples.npz"), strict=True):
        assert (one.name, one.rank, one.sigma, one.metrics) == (other.name, other.rank, other.sigma, other.metrics)
        np.testing.assert_array_equal(one.reconstruction, other.reconstruction)
    first = {
        "name": "a",
        "rank": "best",
        "split": "test",
        "sigma": 0.0,
        "decoded_from": "mean",
        "psnr": 20,
        "ssim": 0.5,
    }
    images = dict.fromkeys(("original", "given", "reconstruction"), np.zeros((2, 2, 1), "uint8"))
    assert Example.from_dict(first | images).metrics == {"psnr": 20, "ssim": 0.5}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", "Invalid JSON"),
        ("[" * 6000, "recursion limit"),
        ("{}", "valid array"),
        ('[{"run": 3}]', "0.run: Input should be a valid string"),
        ('[{"psnr": 20}]', "0.run: Field required"),
    ],
)
def test_a_damaged_record_is_named(text, fault, tmp_path):
    path = tmp_path / "scores.json"
    path.write_text(text)
    with pytest.raises(RunError, match=rf"scores\.json cannot be read, .*{fault}.*; evaluate again$"):
        read_json(path, list[Score], cure="evaluate again")


def test_studies_of_earlier_versions_name_their_axes_in_one_text():
    record = study().study
    plain = through_json(record)
    assert plain["comparisons_along"] == ["regulariser"]
    older = StudyRecord.from_dict(plain | {"comparisons_along": "regulariser, training"})
    assert older.comparisons_along == ("regulariser", "training")
