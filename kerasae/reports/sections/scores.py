"""Scores, how they spread over images, and quality against rate where files were coded."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kerasae.metrics.registry import METRICS
from kerasae.records import Comparison, ImageScores, ReportContent, StudyRecord
from kerasae.reports.charts import SHADES, Effect, Figure, Forest, Panel, histogram
from kerasae.reports.curves import Series, noise_figure, one_per_cell, panels_of, rate_figure, references_of, series_of
from kerasae.reports.run_tables import bd_rate_table, rate_table
from kerasae.reports.score_tables import VERDICTS, compared, main_table, noise_rows, noise_table, tidy_csv
from kerasae.reports.tables import MISSING, Cell, Column, Details, Paragraph, Sentences, Table
from kerasae.reports.wording import (
    DECODINGS,
    at_sigma,
    chosen_sigmas,
    in_order,
    is_reference,
    measured_metrics,
    metric_named,
    sigmas_of,
    signed,
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


# === What was compared ===


_APART = 4.0  # panels keep one scale unless their spans differ by more than this factor


def comparisons(content: ReportContent) -> list[Any]:
    """Return, for each axis compared, effect plots and sentences, and then all comparisons as a table."""
    study = content.study
    if not study or not study.comparisons:
        return []
    introduction = (
        f"Along {', '.join(study.comparisons_along)}, each level against the first, all else equal, on the same "
        "images. A coloured triangle is a difference that holds after Holm’s correction over the comparisons of its "
        f"question (up to {study.family}); everything gray is not ranked. The order is the study’s own, never that of "
        "size."
    )
    blocks: list[Any] = [Paragraph(introduction)]
    for place, axis in enumerate(in_order(one.axis for one in study.comparisons)):
        blocks += _along(axis, [one for one in study.comparisons if one.axis == axis], place)
    return [*blocks, Details("All comparisons as a table", [_table(study)])]


def _along(axis: str, compared: list[Comparison], place: int) -> list[Any]:
    """Return the effect plots of one axis (PSNR to be seen, the others folded), and its sentences."""
    figures, in_words = {}, []
    for metric in in_order(one.metric for one in compared):
        chosen = [one for one in compared if one.metric == metric]
        ident = f"effects-{metric.replace('_', '-')}" + (f"-{place}" if place else "")
        figures[metric] = _effects_figure(ident, chosen)
        sentences = Sentences([(VERDICTS[one.verdict], one.sentence) for one in chosen])
        summary = f"In words: {axis}, {metric_named(metric).label}"
        in_words.append(Details(summary, [sentences], open=not place and not in_words))
    shown = [figures.pop("psnr")] if "psnr" in figures else []
    if figures:
        names = " and ".join(metric_named(metric).label for metric in figures)
        shown.append(Details(f"Effect plots: {axis}, {names}", list(figures.values())))
    return shown + in_words


def _effects_figure(ident: str, compared: Sequence[Comparison]) -> Figure:
    """Return the effect plot of comparisons, all of one metric along one axis, a panel for each noise."""
    first, about = compared[0], metric_named(compared[0].metric)
    by_sigma = {
        sigma: _groups([one for one in compared if one.sigma == sigma])
        for sigma in in_order(one.sigma for one in compared)
    }
    spans = {sigma: _span([one for _, group in groups for one in group]) for sigma, groups in by_sigma.items()}
    lengths = [high - low for low, high in spans.values()]
    common = max(lengths) <= _APART * min(lengths)
    everything = (min(low for low, _ in spans.values()), max(high for _, high in spans.values()))
    unit = f", {about.unit}" if about.unit else ""
    panels = []
    for sigma, groups in by_sigma.items():
        title = f"Differences in {about.label} along {first.axis}, {at_sigma(sigma)}"
        gist = "; ".join(
            f"{where} {one.label} {one.words}, {VERDICTS[one.verdict]}" for where, group in groups for one in group
        )
        span = everything if common else spans[sigma]
        chart = Forest(title, gist, groups, span, f"difference in {about.label}{unit}")
        panels.append(Panel(f"{about.label}, {at_sigma(sigma)}", chart))
    robustness = " (PSNR under noise less PSNR on the same clean images, to the right of the line: loses less)"
    caption = (
        f"{about.label}{robustness if about.name == 'psnr_change' else ''} of each {first.axis} less that of "
        f"“{first.reference}”, all else equal, with its 95 % interval. ▲ higher, ▼ lower, ◇ not ranked (no difference "
        "seen, a hint that did not survive the correction, or one seed, whose interval speaks of images only). "
        f"{'One scale for all noise levels' if common else 'A scale of its own for each noise level'}."
    )
    return Figure(ident, caption, panels)


def _groups(compared: Sequence[Comparison]) -> list[tuple[str, list[Effect]]]:
    groups: dict[str, list[Effect]] = {}
    for one in compared:
        effect = Effect(one.level, one.difference, *_interval(one), one.verdict, _words(one))
        groups.setdefault(_where(one), []).append(effect)
    return list(groups.items())


def _span(effects: Sequence[Effect]) -> tuple[float, float]:
    ends = [0.0, *(end for one in effects for end in (one.low, one.high))]
    return min(ends), max(ends)


def _interval(one: Comparison) -> tuple[float, float]:
    """Return the interval over seeds and images, or over images where there is one seed."""
    return (one.images_low, one.images_high) if one.low is None or one.high is None else (one.low, one.high)


def _words(one: Comparison, unit: str = "") -> str:
    digits = metric_named(one.metric).difference_digits
    low, high = (signed(end, digits).replace("+", "") for end in _interval(one))
    return f"{signed(one.difference, digits)}{unit} [{low}, {high}]"


def _where(one: Comparison) -> str:
    """Return what both sides have in common, and how their images were decoded where that is a choice."""
    decoding = DECODINGS.get(one.decoded_from[0], "")
    return ", ".join(part for part in (*one.where.values(), decoding) if part)


def _table(study: StudyRecord) -> Table:
    columns = [
        Column("comparison", False), Column("where", False), Column("noise σ"), Column("metric", False),
        Column("difference"), Column("verdict", False), Column("p, Holm"), Column("p over images, Holm"),
        Column("seed spread"),
    ]  # fmt: skip
    rows = []
    for place, one in enumerate(study.comparisons):
        about = metric_named(one.metric)
        spread = one.seed_spread
        row = [
            Cell(f"{one.level} against {one.reference}", place),
            Cell(_where(one) or "–", _where(one)),
            Cell(f"{one.sigma:g}" if one.sigma else "clean", one.sigma),
            Cell(about.label, about.label),
            # Sorting by size would rank what must not be ranked.
            Cell(_words(one, f" {about.unit}" if about.unit else ""), place),
            Cell(VERDICTS[one.verdict], list(VERDICTS).index(one.verdict)),
            p_cell(one.p_holm),
            p_cell(one.p_images),
            MISSING if spread is None else Cell(f"{spread:.{about.difference_digits}f}", spread),
        ]
        rows.append(row)
    caption = (
        "Level minus reference, [95 % interval]. p, Holm: other seeds and other images; p over images: these very "
        "models (Wilcoxon signed rank). The column of differences keeps the study’s order."
    )
    return Table(caption, columns, rows, ident="comparisons-table")


def p_cell(value: float | None) -> Cell:
    """Return a p-value with three digits, or a dash where there is none."""
    if value is None:
        return MISSING
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", value)
