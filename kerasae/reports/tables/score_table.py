"""The table that ends a training and an evaluation."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from kerasae.records import Score
from kerasae.reports.tables.numbers import WIDE, columns_of_terminal, noise, plain_table, with_spread, written

METRICS = {"mse": "MSE", "psnr": "PSNR dB", "ssim": "SSIM"}


def score_table(scores: Sequence[Score], *, title: str, width: int | None = None) -> Table:
    """Return the scores of one or more runs, a row each, in the order given.

    A cell holds the mean over images ± their standard deviation, and beneath it the 95 % bootstrap interval of the
    mean. The KL divergence and the active units appear where a score has them.

    Args:
        scores: what was measured.
        title: what the table is of.
        width: columns to fit, those of the terminal if None; from 110 on, what a row is about spreads
            over columns of its own.
    """
    width = width or columns_of_terminal()
    table = plain_table(title)
    table.caption = _caption(scores, width)
    several_runs = len({score.run for score in scores}) > 1
    (_wide if width >= WIDE else _narrow)(table, scores, several_runs)
    return table


def _caption(scores, width):
    parts = ["mean ± std over images, [95 % interval of the mean]"]
    if any(score.kl_nats is not None for score in scores):
        parts.append("KL in nats per image")
    if any(score.bits_per_pixel is not None for score in scores):
        parts.append("bits per pixel as the entropy model estimates them, at the middle quality")
    if width < WIDE and any(score.active_units is not None for score in scores):
        parts.append("AU active units")
    return "; ".join(parts)


def _metric_columns(table):
    for heading in METRICS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("PSNR\nof mean\nMSE dB", justify="right", no_wrap=True)


def _metric_cells(score):
    cells = [with_spread(metric, getattr(score, metric)) for metric in METRICS]
    return [*cells, written("psnr", score.psnr_of_mean_mse)]


def _wide(table, scores, several_runs):
    if several_runs:
        table.add_column("run", max_width=28, overflow="fold")
    table.add_column("split")
    table.add_column("noise σ", justify="right")
    table.add_column("decoded\nfrom")
    table.add_column("images", justify="right")
    _metric_columns(table)
    with_kl = any(score.kl_nats is not None for score in scores)
    with_units = any(score.active_units is not None for score in scores)
    with_bits = any(score.bits_per_pixel is not None for score in scores)
    if with_bits:
        table.add_column("bits per\npixel", justify="right")
    if with_kl:
        table.add_column("KL", justify="right")
    if with_units:
        table.add_column("active\nunits", justify="right")
    for score in scores:
        cells = [score.run] if several_runs else []
        cells += [score.split, noise(score.sigma), score.decoded_from, f"{score.count:,}", *_metric_cells(score)]
        if with_bits:
            cells.append("" if score.bits_per_pixel is None else f"{score.bits_per_pixel:.3f}")
        if with_kl:
            cells.append("" if score.kl_nats is None else f"{score.kl_nats:.1f}")
        if with_units:
            cells.append("" if score.active_units is None else str(score.active_units))
        table.add_row(*cells)


def _narrow(table, scores, several_runs):
    table.add_column("split, images", max_width=18, overflow="fold")
    _metric_columns(table)
    for score in scores:
        about = Text(f"{score.run}\n" if several_runs else "", style="bold")
        about.append(f"{score.split}, {score.count:,}", style="not bold")
        sigma = f"σ {score.sigma:g}" if score.sigma else "clean"
        about.append(f"\n{score.decoded_from}, {sigma}", style="not bold dim")
        cost = [f"KL {score.kl_nats:.1f}"] if score.kl_nats is not None else []
        cost += [f"{score.bits_per_pixel:.3f} bpp"] if score.bits_per_pixel is not None else []
        cost += [f"AU {score.active_units}"] if score.active_units is not None else []
        if cost:
            about.append("\n" + ", ".join(cost), style="not bold dim")
        table.add_row(about, *_metric_cells(score))
