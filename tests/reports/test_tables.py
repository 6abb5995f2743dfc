"""Tables hold the numbers asked for, and fit the terminal."""

import io
from dataclasses import replace

import pytest
from rich.console import Console

from kerasae.records import ComparedScore, Difference, RunComparison
from kerasae.reports import (
    comparison_table,
    plan_table,
    run_comparison_table,
    run_difference_table,
    runs_table,
    score_table,
    study_table,
    sweep_table,
)
from tests.reports.made_up import record, score, sweep
from tests.reports.made_up_report import study as made_up_study


def rendered(table, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)  # as wide as a terminal of that width
    console.print(table)
    lines = console.file.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert not any("…" in line for line in lines)
    return "\n".join(lines)


@pytest.mark.parametrize("width", [80, 140])
def test_a_score_is_written_with_spread_and_interval(width):
    text = rendered(score_table([score()], title="ae_l2 on ffhq"), width)
    for part in ["ae_l2 on ffhq", "test", "14,000", "latents", "clean", "0.00399 ± 0.00200", "[0.00395, 0.00403]",
                 "23.99 ± 2.13", "[23.95, 24.04]", "0.600 ± 0.087", "[0.598, 0.602]", "23.58"]:  # fmt: skip
        assert part in text, part
    assert "KL" not in text
    assert "units" not in text


@pytest.mark.parametrize("width", [80, 140])
def test_what_only_some_models_have_is_shown_for_those(width):
    vae = [score("vae-77e1aa0912-0", way, 0.1, 20, kl_nats=123.44, active_units=41) for way in ("mean", "sample")]
    text = rendered(score_table([score(), *vae], title="all"), width)
    assert text.count("123.4") == 2
    assert text.count("41") == 2
    assert text.count("vae-77e1aa0912-0") == 2
    assert "0.1" in text
    assert "nats" in text


@pytest.mark.parametrize("width", [80, 140])
def test_a_learned_codec_s_score_has_its_bits_per_pixel(width):
    rows = [score(), score("codec-77e1aa0912-0", bits_per_pixel=0.23449)]
    text = rendered(score_table(rows, title="all"), width)
    assert text.count("0.234") == 1
    assert ("0.234 bpp" in text) == (width == 80)
    plain = rendered(score_table([score()], title="all"), width)
    assert "bpp" not in plain
    assert "bits" not in plain
    if width == 140:
        assert "bits per" in text


def test_the_widest_row_at_eighty_columns_keeps_each_number_whole():
    text = rendered(score_table([score(split="validation", count=123456, psnr=9.99)], title="x"), 80)
    assert "0.10023 ± 0.05012" in text
    assert "validation, 123,456" in text


@pytest.mark.parametrize("width", [80, 140])
def test_six_sigmas_fit(width):
    lines = rendered(sweep_table(sweep(), title="sweep"), width).splitlines()
    head = next(line for line in lines if "noise →" in line)
    assert head.split("→")[1].replace("σ ", "σ").split() == ["clean", "σ0.05", "σ0.1", "σ0.15", "σ0.2", "σ0.3"]
    psnr = [line.split("PSNR ")[1].split() for line in lines if "PSNR  " in line]
    assert psnr == [
        ["24.00", "23.40", "22.80", "22.20", "21.60", "20.40"],
        ["20.00", "19.40", "18.80", "18.20", "17.60", "16.40"],
        ["19.00", "18.40", "17.80", "17.20", "16.60", "15.40"],
        ["–", "27.50", "24.00", "20.50", "17.00", "10.00"],
    ]
    assert sum("SSIM " in line for line in lines) == 4


def test_the_best_of_each_column_is_bold():
    rows = sweep_table(sweep(), title="sweep").rows
    bold = [[row[place].style == "bold" for row in rows] for place in range(2, 14, 2)]
    assert bold[0] == [True, False, False, False]  # clean: the do-nothing row does not compete
    assert bold[1] == [False, False, False, True]
    assert bold[5] == [True, False, False, False]


def test_a_cell_that_was_not_measured_stays_empty():
    scores = [score("a", sigma=0.0), score("a", sigma=0.1), score("b", sigma=0.1, psnr=20)]
    assert "–" in rendered(sweep_table(scores, title="sweep"), 80)


@pytest.mark.parametrize("width", [80, 140])
def test_runs(width):
    failed = record(
        "vae-1", status="failed", epochs_done=3, best_epoch=None, training_seconds=31, message="loss is not finite"
    )
    text = rendered(runs_table([record(), failed]), width)
    for part in [
        "ae_l2-3f2a9c1b04-0",
        "finished",
        "tensorflow",
        "200",
        "187",
        "38 min 31 s",
        "loss is not finite",
        "31 s",
    ]:
        assert part in text, part
    assert ("17,217,417" in text) == (width == 140)


def test_a_comparison_writes_signs_counts_and_what_is_missing():
    def row(run, psnr, count=14000, against=None, **difference):
        units = {"mse": 0.01, "psnr": 1.0, "ssim": 0.05} if difference else {}
        gap = {
            name: Difference(**{key: unit * value for key, value in difference.items()}) for name, unit in units.items()
        }
        one = score(run, "mean", 0.15, psnr, count=count, split="validation")
        return ComparedScore(one, against, count if difference.get("low") else None, gap)

    comparison = RunComparison(
        ("one", "two", "three"),
        {
            "model.hidden": ([512], None, [64, 32]),
            "training.flip": (False, True, None),
            "training.epochs": (1000, 2, 3),
        },
        (
            row("one", 20.0),
            row("two", 19.5, against="latents", mean=-0.5, low=-0.75, high=0.000004),
            row("two", 9.5, against="latents", mean=-10.5, low=-10.75, high=-10.25),
            row("three", 20.0, count=361, against="latents", mean=0.0),
        ),
        (),
    )
    for width in (80, 140):
        text = rendered(run_comparison_table(comparison), width)
        assert "−0.50" in text
        assert "[−0.75, 0.00]" in text
        assert "[−10.75, −10.25]" in text or width == 80
        assert "−10.75," in text
        assert "−10.25]" in text
        assert "361 im." in text
        assert "validation" in text
        assert "14,000" in text
    text = rendered(run_difference_table(comparison), 80)
    for part in ("[512]", "[64, 32]", "–", "false", "true", "1,000"):
        assert part in text, part


@pytest.mark.parametrize("width", [80, 140])
def test_a_study_has_a_row_for_each_cell_and_decoding_and_one_for_doing_nothing(width):
    study = made_up_study(hostile=False).study
    text = rendered(study_table(study), width)
    for row in study.scores:
        assert f"{row.metrics['psnr'].mean:.2f}" in text
        assert row.metrics["psnr"].std_over_seeds is None or f"± {row.metrics['psnr'].std_over_seeds:.2f}" in text
        assert f"{row.metrics['ssim'].mean:.3f}" in text
    assert "do nothing" in text


@pytest.mark.parametrize("width", [80, 140])
def test_comparisons_are_counted_and_what_was_seen_is_written_out(width):
    study = made_up_study(hostile=False).study
    flat = " ".join(rendered(comparison_table(study), width).split())
    questions = {(one.metric, one.axis) for one in study.comparisons}
    for metric, axis in questions:
        asked = [one for one in study.comparisons if (one.metric, one.axis) == (metric, axis)]
        assert f"{axis}, {metric.upper()}: of {len(asked)}" in flat
    seen = [one for one in study.comparisons if one.verdict in ("higher", "lower", "hint")]
    assert seen
    assert all(" ".join(one.sentence.split()) in flat for one in seen)


def test_of_a_question_with_many_comparisons_only_the_count_tells_of_those_that_show_nothing():
    study = made_up_study(hostile=False).study
    nothing = replace(study.comparisons[0], verdict="none", sentence="Nothing to be seen.")
    text = rendered(comparison_table(replace(study, comparisons=(nothing,) * 7)), 80)
    assert "of 7, 7 show nothing" in text
    assert "Nothing to be seen." not in text
    assert "Nothing to be seen." in rendered(comparison_table(replace(study, comparisons=(nothing,) * 6)), 80)


def test_a_plan_says_what_is_done_and_how_long_the_rest_takes():
    rows = [
        {"run": "a", "backend": "jax", "done": True, "seconds": None},
        {"run": "b", "backend": "torch", "done": False, "seconds": 41.7},
        {"run": "c", "backend": "torch", "done": False, "seconds": None},
    ]
    lines = rendered(plan_table(rows, title="tiny"), 80).splitlines()
    ends = [line.split()[-2:] for line in lines[-3:]]
    assert ends == [["jax", "done"], ["42", "s"], ["to", "do"]]
