"""Scores, how they spread over images, and quality against rate where files were coded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasae.metrics.registry import METRICS
from kerasae.records import ImageScores, ReportContent
from kerasae.reports.blocks import Details, Paragraph
from kerasae.reports.charts import SHADES, Figure, Panel, histogram
from kerasae.reports.curves import Series, noise_figure, one_per_cell, panels_of, rate_figure, references_of, series_of
from kerasae.reports.run_tables import bd_rate_table, rate_table
from kerasae.reports.score_tables import compared, main_table, noise_rows, noise_table, tidy_csv
from kerasae.reports.tables import MISSING, Cell, Column, Table
from kerasae.reports.wording import (
    at_sigma,
    chosen_sigmas,
    in_order,
    is_reference,
    measured_metrics,
    sigmas_of,
    training_sigma,
    with_decoding,
)


def scores(content: ReportContent) -> list[Any]:
    """Return the main table, which is copied with the words of ``kerasae report --format``."""
    table = main_table(content)
    if not table.rows:
        return []
    blocks: list[Any] = [replace(table, ident="main", csv=tidy_csv(content))]
    if content.study and content.study.failed:
        lost = "; ".join(f"{run}: {said}" for run, said in content.study.failed.items())
        blocks.append(Paragraph(f"Failed, and missing above: {lost}"))
    note = f"CSV holds every noise level and metric{' and each seed’s mean' * bool(content.study)}, in all digits."
    return [*blocks, Paragraph(note, quiet=True)]


def spread(content: ReportContent) -> list[Any]:
    """Return histograms over test images for each cell or run, clean and under the chosen noise."""
    series = one_per_cell(series_of(content)) if content.study else series_of(content)
    found = [one for run in content.runs for one in run.image_scores]
    available = {one.sigma for one in found}
    sigmas = [sigma for sigma in chosen_sigmas(content) if sigma in available] or sorted(available)[:1]
    metrics = measured_metrics(found)
    # Of a study a figure for each compared metric, a panel for each cell; of a run all metrics together.
    groups = [[name] for name in metrics if METRICS[name].in_rates] if content.study else [metrics]
    blocks: list[Any] = []
    for sigma, group in ((sigma, group) for sigma in sigmas for group in groups):
        panels = [panel for metric in group for panel in _histograms(content, series, sigma, metric)]
        if panels:
            labels = ", ".join(METRICS[name].label for name in group)
            averaged = "Each image’s mean over seeds. " if content.study else ""
            caption = (
                f"{labels} of the images, {at_sigma(sigma)}. {averaged}Full line: mean; dashed: median; shaded: one "
                "standard deviation either side."
            )
            figure = Figure(f"spread-{group[0]}-{sigma:g}".replace(".", "_"), caption, panels, small=True)
            folded = content.study and blocks
            blocks.append(Details(f"Histograms of {labels}, {at_sigma(sigma)}", [figure]) if folded else figure)
    return blocks


def _histograms(content: ReportContent, series: Sequence[Series], sigma: float, metric: str) -> list[Panel]:
    """Return a histogram of ``metric`` for each of ``series`` that has it, all on one scale."""
    found = []
    for one in series:
        values, seeds = _mean_over_seeds(_of_series(one, sigma), metric)
        values = values[np.isfinite(values)]
        found += [(one, values, seeds)] if values.size else []
    ends = [float(end) for _, values, _ in found for end in (values.min(), values.max())]
    panels = []
    for one, values, seeds in found:
        name = with_decoding(one.cell if content.study else METRICS[metric].heading, one.decoded_from)
        name = f"{one.cell}: {name}" if not content.study and len(content.runs) > 1 else name
        title = f"Histogram of {METRICS[metric].label}, {at_sigma(sigma)}: {name}"
        title += f", mean over {seeds} seeds" if seeds > 1 else ""
        panels.append(histogram(name, metric, values, title, (min(ends), max(ends))))
    return panels


def _of_series(one: Series, sigma: float) -> list[ImageScores]:
    """Return the per-image scores of each run of a series at ``sigma``, on the test images where there are any."""
    wanted = (sigma, one.decoded_from)
    found = [own for run in one.runs for own in run.image_scores if (own.sigma, own.decoded_from) == wanted]
    split = "test" if any(own.split == "test" for own in found) else found[0].split if found else ""
    return [own for own in found if own.split == split]


def _mean_over_seeds(found: Sequence[ImageScores], metric: str) -> tuple[np.ndarray, int]:
    """Return the metric of each image ``(images,)``, averaged over those runs that saw the images of the first."""
    same = [own.metrics[metric] for own in found if own.names == found[0].names and metric in own.metrics]
    return (np.mean(same, axis=0) if same else np.zeros(0)), len(same)


def rates(content: ReportContent) -> list[Any]:
    """Return curves, BD-rates and points for each set of images that codecs were measured on."""
    blocks: list[Any] = []
    for place, rate in enumerate(content.rates):
        if not rate.points:
            continue
        blocks.append(rate_figure(rate.points, rate.title, f"rate-{place}"))
        if rate.bd_rates:
            table = bd_rate_table(rate.bd_rates, title=rate.title, ident=f"bd-rate-{place}")
            blocks.append(replace(table, caption=f"BD-rate, {rate.title}. {table.caption}"))
            refused = in_order(row.message for row in rate.bd_rates if row.bd_rate_percent is None and row.message)
            if refused:
                blocks.append(Paragraph("Refused: " + "; ".join(refused) + ".", quiet=True))
        table = rate_table(rate.points, title=rate.title, ident=f"rate-{place}-table")
        blocks.append(Details("All points", [replace(table, caption=f"{rate.title}: {table.caption}")]))
    return blocks


_LEAST = 3  # levels of training noise: with fewer the curves say it all


def noise(content: ReportContent) -> list[Any]:
    """Return the metrics over sigma as curves and tables, and matrices where training noise is an axis."""
    sigmas, series, nothing = sigmas_of(content), series_of(content), references_of(content)
    scored = [one for one in series if one.scores]
    if len(sigmas) < 2 or not scored:
        return []
    scores = [score for one in scored for score in one.scores]
    metrics = compared(scores)
    # A figure for each metric; one for all where each has but a single panel.
    groups = [metrics] if len(panels_of(scored)) == 1 else [[metric] for metric in metrics]
    idents = ["noise-both"] if len(groups) == 1 else [f"noise-{metric}" for metric in metrics]
    figures = [noise_figure(group, scored, nothing, ident=ident) for group, ident in zip(groups, idents, strict=True)]
    rows = noise_rows([*(score for score in scores if not is_reference(score)), *nothing])
    tables = [
        replace(
            noise_table(rows, sigmas, [metric]),
            caption=f"{METRICS[metric].heading} at each noise level, [95 % interval of the mean]",
            ident=f"noise-{metric}-table",
        )
        for metric in metrics
    ]
    return [
        *figures, *matrices(scored, sigmas), Details("The same as tables, at every noise level", tables)
    ]  # fmt: skip


def matrices(series: Sequence[Series], sigmas: Sequence[float]) -> list[Table]:
    """Return a table of PSNR for each kind of model that was trained under ``_LEAST`` noises or more.

    Rows are the noise in training, columns that of the test; the best of a column is marked, and shades follow PSNR.
    """
    families: dict[tuple, dict[float, list[Series]]] = {}
    for one in series:
        if one.runs:
            # What a series is but for its training noise: all other settings of its recipe, and the decoding.
            recipe = {key: value for key, value in one.runs[0].recipe.items() if key not in ("name", "noise")}
            family = families.setdefault((repr(recipe), one.decoded_from), {})
            family.setdefault(training_sigma(one.runs[0].recipe), []).append(one)
    found = [
        {sigma: members[0] for sigma, members in sorted(family.items())}
        for family in families.values()
        if len(family) >= _LEAST and all(len(members) == 1 for members in family.values())
    ]
    return [_matrix(place, family, sigmas) for place, family in enumerate(found)]


def _matrix(place: int, family: dict[float, Series], sigmas: Sequence[float]) -> Table:
    psnr = [{score.sigma: score.metrics["psnr"].mean for score in one.scores} for one in family.values()]
    values = [value for row in psnr for sigma, value in row.items() if sigma in sigmas]
    low, high = min(values), max(values)
    columns = [Column("PSNR, dB", False), *(Column(f"tested {_at(sigma)}") for sigma in sigmas)]
    rows = []
    for trained, row in zip(family, psnr, strict=True):
        cells = [Cell(f"trained {_at(trained)}", trained)]
        for sigma in sigmas:
            best = max((other[sigma] for other in psnr if sigma in other), default=None)
            cells.append(_shaded(row[sigma], row[sigma] == best, low, high) if sigma in row else MISSING)
        rows.append(cells)
    first = next(iter(family.values()))
    about = ", ".join(in_order(part for part in (first.panel, first.decoded_from) if part))
    caption = f"Training noise (rows) against test noise (columns), mean PSNR in dB: {about}. Darker is higher."
    return Table(caption, columns, rows, ident=f"matrix-{place}")


def _at(sigma: float) -> str:
    return f"at {at_sigma(sigma)}" if sigma else "clean"


def _shaded(value: float, best: bool, low: float, high: float) -> Cell:
    steps = len(SHADES)
    shade = 1 + min(int((value - low) / max(high - low, 1e-12) * steps), steps - 1)
    return Cell(f"{value:.2f}", value, interval="best of column" * best, shade=shade)
