"""The table of a study: a row for each cell, a column for each noise."""

from rich.table import Table
from rich.text import Text

from kerasae.records import CellScore, StudyRecord
from kerasae.reports.tables.numbers import WIDE, columns_of_terminal, noise, plain_table


def study_table(record: StudyRecord, *, width: int | None = None) -> Table:
    """Return PSNR and SSIM of every cell of a study at every sigma, with the spread over seeds.

    A cell of the table holds PSNR ± its standard deviation over seeds, and beneath it SSIM; where there is room also
    the 95 % interval that counts seeds and images, and where there is little the deviation takes a line of its own.
    The do-nothing row comes last.

    Args:
        record: the study.
        width: columns to fit, those of the terminal if None.
    """
    width = width or columns_of_terminal()
    table = plain_table(f"{record.name}: {record.data}, {record.split} images")
    table.add_column("noise σ →", overflow="fold", max_width=40)
    table.add_column("", no_wrap=True)
    sigmas = list(record.sigmas)
    for sigma in sigmas:
        table.add_column(noise(sigma), justify="right", no_wrap=True)
    with_interval = width >= max(WIDE, 44 + 17 * len(sigmas))
    stacked = width < 34 + 13 * len(sigmas)
    lines = ["PSNR", *["± std"] * stacked, *["95 %"] * with_interval, "SSIM"]
    for about, row in _rows(record):
        cells = [_cell(row.get(sigma), with_interval, stacked) for sigma in sigmas]
        table.add_row(about, Text("\n".join(lines), style="dim"), *cells)
    seeds = f"{len(record.seeds)} seed{'s' * (len(record.seeds) > 1)}"
    table.caption = f"PSNR in dB, mean over {seeds} and images ± std over seeds; against the clean image"
    return table


def _rows(record: StudyRecord) -> list[tuple[Text, dict[float, CellScore]]]:
    found: dict[tuple[str, str], dict[float, CellScore]] = {}
    for score in record.scores:
        found.setdefault((score.label, score.decoded_from), {})[score.sigma] = score
    rows = [(Text.assemble(label, (f"\nfrom {how}", "dim")), row) for (label, how), row in found.items()]
    if record.do_nothing:
        nothing = Text.assemble(("do nothing", "italic"), ("\nthe noisy image itself", "dim"))
        rows.append((nothing, {score.sigma: score for score in record.do_nothing}))
    return rows


def _cell(score: CellScore | None, with_interval: bool, stacked: bool) -> Text:
    if score is None:
        return Text("–", style="dim")
    spread = "" if score.psnr.std_over_seeds is None else f"± {score.psnr.std_over_seeds:.2f}"
    psnr = f"{score.psnr.mean:.2f}"
    lines = [psnr, spread] if stacked else [f"{psnr} {spread}".rstrip()]
    lines += [f"[{score.psnr.low:.2f}, {score.psnr.high:.2f}]"] * with_interval
    return Text("\n".join([*lines, f"{score.ssim.mean:.3f}"]), justify="right")
