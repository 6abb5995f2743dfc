"""How the metrics spread over images."""

import numpy as np

from kerasae.records import ImageScores, ReportContent
from kerasae.reports.page.blocks import Details, Figure, Panel, Section
from kerasae.reports.page.charts.histogram import histogram, spread
from kerasae.reports.page.series import Series, one_per_cell, series_of
from kerasae.reports.tables.numbers import written
from kerasae.reports.text.naming import METRICS, at_sigma, chosen_sigmas, with_decoding


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
