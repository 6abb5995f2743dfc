"""Tables hold the numbers asked for, and fit the terminal."""

import io

import pytest
from rich.console import Console

from kerasae.reports.tables import runs_table, score_table, sweep_table
from tests.reports.made_up import record, score, sweep


def rendered(table, width):
    console = Console(width=width, file=io.StringIO(), force_terminal=False)
    console.print(table)
    lines = console.file.getvalue().splitlines()
    assert max(len(line) for line in lines) <= width
    assert not any("…" in line for line in lines)
    return "\n".join(lines)


@pytest.mark.parametrize("width", [80, 140])
def test_a_score_is_written_with_spread_and_interval(width):
    text = rendered(score_table([score()], title="ae_l2 on ffhq", width=width), width)
    for part in ["ae_l2 on ffhq", "test", "14,000", "latents", "clean", "0.00399 ± 0.00200", "[0.00395, 0.00403]",
                 "23.99 ± 2.13", "[23.95, 24.04]", "0.600 ± 0.087", "[0.598, 0.602]", "23.58"]:  # fmt: skip
        assert part in text, part
    assert "KL" not in text
    assert "units" not in text


@pytest.mark.parametrize("width", [80, 140])
def test_what_only_some_models_have_is_shown_for_those(width):
    vae = [score("vae-77e1aa0912-0", way, 0.1, 20, kl_nats=123.44, active_units=41) for way in ("mean", "sample")]
    text = rendered(score_table([score(), *vae], title="all", width=width), width)
    assert text.count("123.4") == 2
    assert text.count("41") == 2
    assert text.count("vae-77e1aa0912-0") == 2
    assert "0.1" in text
    assert "nats" in text


def test_the_widest_row_at_eighty_columns_keeps_each_number_whole():
    text = rendered(score_table([score(split="validation", count=123456, psnr=9.99)], title="x", width=80), 80)
    assert "0.10023 ± 0.05012" in text
    assert "validation," in text


@pytest.mark.parametrize(
    ("width", "metrics"), [(80, ("psnr", "ssim")), (80, ("psnr", "ssim", "mse")), (140, ("psnr",))]
)
def test_six_sigmas_fit(width, metrics):
    lines = rendered(sweep_table(sweep(), title="sweep", metrics=metrics, width=width), width).splitlines()
    head = next(line for line in lines if "noise σ" in line)
    assert head.split()[-6:] == ["clean", "0.05", "0.1", "0.15", "0.2", "0.3"]
    psnr = [line.split("PSNR")[1].split() for line in lines if "PSNR " in line and "mean over" not in line]
    assert psnr == [
        ["24.00", "23.40", "22.80", "22.20", "21.60", "20.40"],
        ["20.00", "19.40", "18.80", "18.20", "17.60", "16.40"],
        ["19.00", "18.40", "17.80", "17.20", "16.60", "15.40"],
        ["–", "27.50", "24.00", "20.50", "17.00", "10.00"],
    ]
    assert sum("SSIM " in line for line in lines) == 4 * ("ssim" in metrics)


def test_the_best_of_each_column_is_bold():
    table = sweep_table(sweep(), title="sweep")
    columns = [list(column.cells) for column in table.columns[2:]]
    bold = [[any(s.style == "bold" for s in cell.spans) for cell in cells] for cells in columns]
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
    text = rendered(runs_table([record(), failed], width=width), width)
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
