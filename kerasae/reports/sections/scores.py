"""Scores, and how they spread over images."""

import numpy as np

from kerasae.records import ImageScores, ReportContent
from kerasae.reports.blocks import (
    SHADES,
    Details,
    Figure,
    Panel,
    Paragraph,
    Section,
    Series,
    Table,
    one_per_cell,
    series_of,
)
from kerasae.reports.grids import Cell, Column, Grid, as_latex, as_markdown, main_grid, tidy_csv
from kerasae.reports.svg import histogram, spread
from kerasae.reports.wording import METRICS, at_sigma, chosen_sigmas, in_order, training_sigma, with_decoding, written


def scores_section(content: ReportContent) -> Section | None:
    """Return the main table, which is copied with the words of ``kerasae report --format``."""
    grid = main_grid(content)
    if not grid.rows:
        return None
    exports = {"CSV": tidy_csv(content), "Markdown": as_markdown(grid), "LaTeX": as_latex(grid)}
    blocks = [Table("main", grid, exports=exports)]
    if content.study and content.study.failed:
        lost = "; ".join(f"{run}: {said}" for run, said in content.study.failed.items())
        blocks.append(Paragraph(f"Failed, and missing above: {lost}"))
    note = f"CSV holds every noise level and metric{' and each seed’s mean' * bool(content.study)}, in all digits."
    return Section("scores", "Scores", "Scores", [*blocks, Paragraph(note, quiet=True)])


def spread_section(content: ReportContent) -> Section | None:
    """Return histograms over test images for each cell or run, clean and under the chosen noise."""
    series = one_per_cell(series_of(content)) if content.study else series_of(content)
    available = {scores.sigma for run in content.runs for scores in run.image_scores}
    sigmas = [sigma for sigma in chosen_sigmas(content) if sigma in available] or sorted(available)[:1]
    # Of a study a figure for each metric, a panel for each cell; of a run all metrics together.
    groups = (("psnr",), ("ssim",)) if content.study else (tuple(METRICS),)
    found = [(sigma, metrics, _figure(content, series, sigma, metrics)) for sigma in sigmas for metrics in groups]
    blocks = []
    for sigma, metrics, figure in found:
        if figure and content.study and blocks:
            blocks.append(Details(f"Histograms of {METRICS[metrics[0]]}, {at_sigma(sigma)}", [figure]))
        elif figure:
            blocks.append(figure)
    return Section("spread", "Spread over images", "Spread", blocks) if blocks else None


def of_series(one: Series, sigma: float) -> list[ImageScores]:
    """Return the per-image scores of each run of a series at ``sigma``, on the test images where there are any."""
    found = [
        scores
        for run in one.runs
        for scores in run.image_scores
        if scores.sigma == sigma and scores.decoded_from == one.decoded_from
    ]
    tested = [scores for scores in found if scores.split == "test"]
    return tested or [scores for scores in found if scores.split == found[0].split]


def mean_over_seeds(scores: list[ImageScores], metric: str) -> tuple[np.ndarray, int]:
    """Return the metric of each image ``(images,)``, averaged over those runs that saw the images of the first."""
    same = [getattr(one, metric) for one in scores if one.names == scores[0].names]
    return np.mean(same, axis=0), len(same)


def _figure(content: ReportContent, series: list[Series], sigma: float, metrics: tuple[str, ...]) -> Figure | None:
    ident = f"spread-{metrics[0]}-{sigma:g}".replace(".", "_")
    panels = []
    for metric in metrics:
        found = []
        for one in series:
            scores = of_series(one, sigma)
            if scores:
                values, seeds = mean_over_seeds(scores, metric)
                values = values[np.isfinite(values)]
                found += [(one, values, seeds)] if values.size else []
        ends = [float(end) for _, values, _ in found for end in (values.min(), values.max())]
        for one, values, seeds in found:
            name = _name(content, one, metric)
            panels.append(_panel(f"{ident}-{len(panels)}", name, values, seeds, sigma, metric, (min(ends), max(ends))))
    if not panels:
        return None
    averaged = "Each image’s mean over seeds. " if content.study else ""
    caption = (
        f"{', '.join(metrics).upper()} of the images, {at_sigma(sigma)}. {averaged}Full line: "
        "mean; dashed: median; shaded: one standard deviation either side."
    )
    return Figure(ident, caption, panels, small=True)


def _name(content: ReportContent, one: Series, metric: str) -> str:
    if content.study:
        return with_decoding(one.cell, one.decoded_from)
    # The page is about this one run: what differs is the metric.
    parts = [one.cell] * (len(content.runs) > 1) + [with_decoding(METRICS[metric], one.decoded_from)]
    return ": ".join(parts)


def _panel(ident, name, values, seeds, sigma, metric, span) -> Panel:
    parts = (("mean", values.mean()), ("median", np.median(values)), ("std", spread(values)))
    note = ", ".join(f"{name} {written(metric, value)}" for name, value in parts)
    title = f"Histogram of {metric.upper()}, {at_sigma(sigma)}: {name}"
    gist = f"{note}; from {written(metric, values.min())} to {written(metric, values.max())} over {values.size} images"
    gist += f", mean over {seeds} seeds" if seeds > 1 else ""
    return Panel(name, histogram(ident, title, gist, values, METRICS[metric], span), note)


LEAST = 3  # with fewer levels the curves say it all


def matrices(series: list[Series], sigmas: list[float]) -> list[Table]:
    """Return a table of PSNR for each kind of model that was trained under ``LEAST`` noises or more.

    Rows are the noise in training, columns that of the test; the best of a column is marked, and shades follow PSNR.
    """
    families: dict[tuple, list[tuple[float, Series]]] = {}
    for one in series:
        if one.scores and one.runs:
            families.setdefault(_family(one), []).append((training_sigma(one.runs[0].recipe), one))
    tables = []
    for family, members in families.items():
        trained = [sigma for sigma, _ in members]
        if len(set(trained)) >= LEAST and len(set(trained)) == len(trained):
            tables.append(_table(len(tables), family, sorted(members, key=lambda member: member[0]), sigmas))
    return tables


def _family(one: Series) -> tuple:
    """Return what a series is but for its training noise: all other settings of its recipe, and the decoding."""
    recipe = {key: value for key, value in one.runs[0].recipe.items() if key not in ("name", "noise")}
    return (repr(recipe), one.decoded_from)


def _table(place: int, family: tuple, members: list[tuple[float, Series]], sigmas: list[float]) -> Table:
    values = {}
    for row, (_, one) in enumerate(members):
        for score in one.scores:
            if score.sigma in sigmas:
                values[row, sigmas.index(score.sigma) + 1] = score.psnr.mean
    best = {column: max(v for (_, c), v in values.items() if c == column) for column in {c for _, c in values}}
    rows = []
    for row, (trained, _) in enumerate(members):
        cells = [Cell(f"trained at σ {trained:g}" if trained else "trained clean", trained)]
        for column in range(1, len(sigmas) + 1):
            value = values.get((row, column))
            mark = "best of column" if value is not None and value == best[column] else ""
            cells.append(Cell("–") if value is None else Cell(written("psnr", value), value, mark))
        rows.append(tuple(cells))
    columns = (Column("PSNR, dB", False), *(Column(f"tested at σ {s:g}" if s else "tested clean") for s in sigmas))
    about = in_order(part for part in (members[0][1].panel, family[1]) if part)
    caption = (
        f"Training noise (rows) against test noise (columns), mean PSNR in dB: {', '.join(about)}. Darker is higher."
    )
    return Table(f"matrix-{place}", Grid(caption, columns, tuple(rows)), shades=_shades(values))


def _shades(values):
    low, high = min(values.values()), max(values.values())
    steps = len(SHADES)
    return {
        place: 1 + min(int((value - low) / max(high - low, 1e-12) * steps), steps - 1)
        for place, value in values.items()
    }
