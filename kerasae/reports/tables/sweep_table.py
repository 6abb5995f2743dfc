"""Scores against the noise on the input."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from kerasae.records import Score
from kerasae.reports.tables.numbers import WIDE, columns_of_terminal, noise, plain_table, written

HEADINGS = {"psnr": "PSNR", "ssim": "SSIM", "mse": "MSE"}


def sweep_table(
    scores: Sequence[Score],
    *,
    title: str = "Noise sweep",
    metrics: Sequence[str] = ("psnr", "ssim"),
    width: int | None = None,
) -> Table:
    """Return one row per run and way of decoding, one column per sigma; the do-nothing row comes last.

    The best PSNR of each column is bold; where that is the do-nothing row, decoding the image only harmed it.

    Args:
        scores: any number of sigmas per run; a cell that was not measured stays empty.
        title: what the table is of.
        metrics: from ``psnr``, ``ssim`` and ``mse``, one line each within a row, in this order.
        width: columns to fit, those of the terminal if None; the names of runs are folded to leave
            room for the numbers.
    """
    width = width or columns_of_terminal()
    table = plain_table(title)
    sigmas = sorted({score.sigma for score in scores})
    digits = 7 if "mse" in metrics else 5
    room = width - (digits + 1) * len(sigmas) - 5 - 3
    table.add_column("noise σ →", max_width=max(12, min(room, 40 if width < WIDE else 60)), overflow="fold")
    table.add_column("", no_wrap=True)
    for sigma in sigmas:
        table.add_column(noise(sigma), justify="right", no_wrap=True, min_width=5)
    rows = _rows(scores)
    best = {sigma: _best_psnr(scores, sigma) for sigma in sigmas}
    for (run, decoded_from), cells in rows.items():
        nothing = decoded_from == "input"
        about = Text("do nothing" if nothing else run, style="italic" if nothing else "")
        about.append("\nthe noisy image itself" if nothing else f"\nfrom {decoded_from}", style="dim")
        columns = [_cell(cells.get(sigma), metrics, best[sigma]) for sigma in sigmas]
        table.add_row(about, Text("\n".join(HEADINGS[metric] for metric in metrics), style="dim"), *columns)
    table.caption = "PSNR in dB, mean over images, against the clean image; bold: best of the column"
    return table


def _rows(scores):
    rows = {}
    for score in sorted(scores, key=lambda score: score.decoded_from == "input"):  # a stable sort: only that one moves
        # Doing nothing is the same for every run.
        key = ("", "input") if score.decoded_from == "input" else (score.run, score.decoded_from)
        rows.setdefault(key, {})[score.sigma] = score
    return rows


def _best_psnr(scores, sigma):
    return max((score.psnr.mean for score in scores if score.sigma == sigma and score.mse.mean > 0), default=None)


def _cell(score, metrics, best):
    if score is None or score.mse.mean == 0:  # the clean image against itself says nothing
        return Text("–", style="dim")
    text = Text(justify="right")
    for line, metric in enumerate(metrics):
        value = getattr(score, metric).mean
        style = "dim" if line else "bold" if metric == "psnr" and value == best else ""
        text.append(("\n" if line else "") + written(metric, value), style=style)
    return text
