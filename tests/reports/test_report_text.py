"""The main table as text holds the numbers of the records, whatever names there are."""

import csv
import io
import re
from dataclasses import replace

import pytest

from kerasae.errors import ReportError
from kerasae.reports import report_text
from kerasae.reports.score_tables import main_table
from kerasae.reports.tables import Cell, Column, Table, as_csv, as_latex, as_markdown, latex_escaped
from kerasae.reports.wording import answer
from tests.reports.made_up_report import HOSTILE, SIGMAS, single_run, study

AXES = {"model": ("AE", "VAE"), "regulariser": ("none", HOSTILE)}


def rows_of(text):
    return list(csv.DictReader(io.StringIO(text)))


def test_csv_of_a_study_reads_back_to_equal_numbers():
    content = study(AXES)
    rows = rows_of(report_text(content, "csv"))
    scores = content.study.scores
    assert len(rows) == 3 * (len(scores) + len(content.study.do_nothing))
    for place, score in enumerate(scores):
        for row, metric in zip(rows[3 * place : 3 * place + 3], ("psnr", "ssim", "mse"), strict=True):
            summary = score.metrics[metric]
            assert {axis: row[axis] for axis in AXES} == score.levels
            assert (row["cell"], row["metric"], row["decoded_from"]) == (score.label, metric, score.decoded_from)
            assert (float(row["sigma"]), int(row["seeds"]), int(row["images"])) == (score.sigma, 3, 60)
            for key in ("mean", "std_over_seeds", "std_over_images", "low", "high"):
                assert float(row[key]) == getattr(summary, key)
            assert tuple(map(float, row["per_seed"].split(";"))) == summary.per_seed
    assert {row["cell"] for row in rows[3 * len(scores) :]} == {"do nothing"}


def test_csv_of_a_run_reads_back_to_equal_numbers():
    content = single_run()
    rows = rows_of(report_text(content, "csv"))
    scores = [*content.runs[0].scores, *content.do_nothing]
    assert len(rows) == 3 * len(scores)
    for place, score in enumerate(scores):
        for row, metric in zip(rows[3 * place : 3 * place + 3], ("psnr", "ssim", "mse"), strict=True):
            summary = score.metrics[metric]
            assert row["run"] == score.run
            assert [float(row[key]) for key in ("mean", "std_over_images", "low", "high")] == [
                summary.mean, summary.std, summary.low, summary.high,
            ]  # fmt: skip
            assert row["kl_nats"] == ("" if score.kl_nats is None else "27.25")


def test_one_seed_leaves_its_spread_empty():
    rows = rows_of(report_text(study(AXES, seeds=1), "csv"))
    assert {row["std_over_seeds"] for row in rows} == {""}


def markdown_table(text):
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_markdown_has_the_answer_the_table_and_the_sentences():
    content = study(AXES)
    text = report_text(content, "markdown")
    grid = main_table(content).named()
    head, rule, *body = markdown_table(text)
    assert head == [column.heading for column in grid.columns]
    assert rule == ["---:" if column.numeric else "---" for column in grid.columns]
    assert len(body) == len(grid.rows)
    for line, row in zip(body, grid.rows, strict=True):
        assert [
            re.sub(r"\\(.)", r"\1", cell).replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            for cell in line
        ] == [cell.whole for cell in row]
        for cell, written in zip(row[1:-1], line[1:-1], strict=True):
            if isinstance(cell.value, float):
                assert float(written.split()[0]) == pytest.approx(cell.value, abs=0.006)
    assert text.startswith("# Regularisation")
    assert text.count("\n- ") == len(content.study.comparisons)
    assert "no difference that this study can see" in text
    assert "<script" not in text


def latex_rows(text):
    inside = text.split("\\midrule\n")[1].split("    \\bottomrule")[0]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)&", line.removesuffix(" \\\\"))] for line in inside.splitlines()
    ]


def test_latex_is_a_booktabs_table_with_everything_escaped():
    content = study(AXES)
    text = report_text(content, "latex")
    grid = main_table(content).named()
    rows = latex_rows(text)
    assert len(rows) == len(grid.rows)
    assert all(len(row) == len(grid.columns) for row in rows)
    assert "\\begin{tabular}{l" + "r" * (len(grid.columns) - 1) + "}" in text
    assert text.count("\\toprule") == text.count("\\midrule") == text.count("\\bottomrule") == 1
    for written, row in zip(rows, grid.rows, strict=True):
        plain = [re.sub(r"\{([\[\]])\}", r"\1", cell).replace("$\\pm$", "±") for cell in written]
        assert plain[1:] == [cell.whole for cell in row[1:]]
    bare = re.sub(
        r"\\[&%$#_{}]|\\text[a-z]+\{\}|\$\\[a-z]+\$|\$-\$|\{[\[\]]\}", "", "\n".join(" ".join(row) for row in rows)
    )
    assert not set(bare) & set('&%$#_{}~^\\<>|"')
    assert bare.isascii() or set(re.sub(r"[ -~\n]", "", bare)) <= {"–"}


def test_latex_escapes_each_character_once():
    assert latex_escaped("50 % of a_b & {c}\\") == r"50 \% of a\_b \& \{c\}\textbackslash{}"
    assert latex_escaped("σ −0.1 ± 2") == r"$\sigma$ $-$0.1 $\pm$ 2"


def test_a_spreadsheet_gets_no_formula():
    grid = Table(
        "c", (Column("name", False), Column("number")), ((Cell("=cmd()"), Cell("-1.5")), (Cell("@x"), Cell("+2")))
    )
    assert list(csv.reader(io.StringIO(as_csv(grid)))) == [["name", "number"], ["'=cmd()", "-1.5"], ["'@x", "+2"]]


def test_a_bar_in_a_cell_does_not_end_it():
    grid = Table("c", (Column("a|b", False),), ((Cell("c|d\ne"),),))
    # Nor does the end of a line, which is spelled out, as are all characters that a terminal would obey.
    assert as_markdown(grid) == "| a\\|b |\n| --- |\n| c\\|d\\\\ne |\n"
    assert "c\\textbar{}d\\textbackslash{}ne" in as_latex(grid)


def test_an_unknown_format_is_refused_with_those_there_are():
    with pytest.raises(ReportError, match="no report format is called 'html'; choose one of markdown, latex, csv"):
        report_text(single_run(), "html")


def test_the_answer_of_a_run_tells_quality_noise_and_bits():
    quality, noisy, bits = answer(single_run(hostile=False))
    assert quality == (
        "On 14,000 test images of ffhq, vae-3f2a9c1b04-0 reaches PSNR 20.00 dB [19.96, 20.05] and SSIM 0.500 "
        "[0.498, 0.502], decoded from the mean; decoded from a sample, PSNR 19.00 dB [18.96, 19.05] and SSIM 0.475 "
        "[0.473, 0.477]."
    )
    assert noisy.endswith("where doing nothing gives 20.40 dB: the noisy image itself is the better one.")
    assert noisy.startswith("Under noise of σ 0.1 it reaches PSNR 18.60 dB")
    assert bits == (
        "Its files take 0.600 bits per pixel at 31.63 dB; at equal PSNR 41 % fewer bits than jpeg, 12 % more bits than "
        "avif."
    )
    # What other images took, or a part of them, is no companion of these scores.
    content = single_run(hostile=False)
    for title in ("folder:other, 14,000 images; classical", "ffhq test, 90 images", "ffhq validation, 14,000 images"):
        assert answer(replace(content, rates=(replace(content.rates[0], title=title),))) == (quality, noisy)
    assert answer(single_run("ae"))[1].endswith("the model takes away more noise than it takes from the image.")


def test_the_answer_of_a_study_is_its_own():
    content = study(AXES)
    assert answer(content) == content.study.answer


def test_a_run_without_scores_says_so():
    assert answer(single_run(measured=False)) == ("Nothing has been measured of this run yet.",)


def test_the_table_of_a_run_stands_by_noise_with_doing_nothing_last():
    names = [row[0].whole for row in main_table(single_run()).named().rows]
    assert names[:2] == ["clean (from the mean)", "clean (from a sample)"]
    assert names[2:5] == ["σ 0.05 (from the mean)", "σ 0.05 (from a sample)", "σ 0.05 (do nothing)"]
    assert len(names) == 3 * len(SIGMAS) - 1
