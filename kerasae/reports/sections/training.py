"""How training went, what it cost, and the latents it ended with."""

import math
from collections.abc import Callable, Sequence

from kerasae.records import LatentRecord, ReportContent, RunContent, RunRecord
from kerasae.reports.blocks import (
    Details,
    Figure,
    Panel,
    Paragraph,
    Section,
    Series,
    Table,
    legend_of,
    one_per_cell,
    panels_of,
    series_of,
)
from kerasae.reports.grids import Cell, Column, Grid
from kerasae.reports.svg import Axes, Line, line_chart, sorted_bars
from kerasae.reports.tables import duration
from kerasae.reports.wording import in_order, minus

POINTS = 150  # of a line: more would not be seen, but would be sent
_LOG_FROM = 5.0  # a curve that spans more than this factor shows its end on a logarithmic axis only
# heading, and the columns of the history in training and in validation; terms that stay 0 are left out
_PANELS = (
    ("validation MSE", "", "val_mse"),
    ("loss", "loss", "val_loss"),
    ("distortion", "distortion", "val_distortion"),
    ("rate, nats", "rate", "val_rate"),
    ("weight penalty", "penalty", "val_penalty"),
)


def training_section(content: ReportContent) -> Section | None:
    """Return the validation MSE over epochs, a line per run; of a single run the terms of its loss as well."""
    series = [one for one in one_per_cell(series_of(content)) if any(run.history for run in one.runs)]
    if not series:
        return None
    validated = any(_points(run, "val_mse") for one in series for run in one.runs)
    figures = [_one_run(content.runs[0])] if len(content.runs) == 1 and not content.study else []
    figures += [_validation(content, series)] if validated and not figures else []
    figures = [figure for figure in figures if figure.panels]
    return Section("training", "Training", "Training", figures) if figures else None


def thinned(points: Sequence[tuple[float, float]], count: int = POINTS) -> list[tuple[float, float]]:
    """Return at most ``count`` points, evenly chosen, the first, the last and the lowest among them."""
    if len(points) <= count:
        return list(points)
    lowest = min(
        range(len(points)), key=lambda index: points[index][1] if math.isfinite(points[index][1]) else math.inf
    )
    kept = {round(index * (len(points) - 1) / (count - 2)) for index in range(count - 1)} | {lowest}
    return [points[index] for index in sorted(kept)]


def _points(run: RunContent, key: str) -> list[tuple[float, float]]:
    pairs = [(row.get("epoch", place + 1), row.get(key, math.nan)) for place, row in enumerate(run.history)]
    pairs = [(float(epoch), math.nan if value is None else float(value)) for epoch, value in pairs]
    return pairs if any(math.isfinite(value) for _, value in pairs) else []


def _log(lines: Sequence[Line]) -> bool:
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    return bool(values) and min(values) > 0 and max(values) > _LOG_FROM * min(values)


def _validation(content: ReportContent, series: list[Series]) -> Figure:
    panels = []
    by_panel = _cells_together(series)
    everything = [_line(one, run) for one in series for run in one.runs]
    log = _log(everything)
    for place, (name, members) in enumerate(by_panel.items()):
        lines = [line for one in members for run in one.runs if (line := _line(one, run)).points]
        if not lines:
            continue
        axes = Axes("epoch", "validation MSE" if name else "", y_log=log)
        title = f"Validation MSE over epochs{f': {name}' if name else ''}"
        chart = line_chart(f"loss-{place}", title, _gist(lines), lines, axes)
        panels.append(Panel(name or "validation MSE", chart))
    each = ", a line for each seed" if content.study else ""
    caption = f"Mean squared error on the validation images over epochs{each}{', logarithmic' if log else ''}."
    legend = [(label, look, True) for label, look, _ in legend_of(series)]
    return Figure("loss", caption, panels, legend)


def _cells_together(series: list[Series]) -> dict[str, list[Series]]:
    # The ways of decoding do not matter here, and only one of each cell is left.
    return {
        name.removesuffix(", from the mean").removesuffix(", from a sample"): members
        for name, members in panels_of(series).items()
    }


def _line(one: Series, run: RunContent) -> Line:
    points = thinned(_points(run, "val_mse"))
    return Line(f"{one.label}, seed {run.record.seed}", one.look, points, weight="thin", symbols=False)


def _gist(lines: Sequence[Line]) -> str:
    parts = []
    for line in lines:
        finite = [point for point in line.points if math.isfinite(point[1])]
        if finite:
            epoch, lowest = min(finite, key=lambda point: point[1])
            parts.append(f"{line.label}: lowest {lowest:.3g} at epoch {epoch:g}")
    return "; ".join(parts)


def _one_run(run: RunContent) -> Figure:
    panels = []
    for name, training, validation in _PANELS:
        pairs = [("training", 1, _points(run, training)), ("validation", 2, _points(run, validation))]
        lines = [
            Line(label, look, thinned(points), symbols=False)
            for label, look, points in pairs
            if any(value for _, value in points if math.isfinite(value))
        ]
        if lines:
            axes = Axes("epoch", "", y_log=_log(lines))
            chart = line_chart(f"loss-{validation}", f"{name} over epochs", _gist(lines), lines, axes)
            panels.append(Panel(name, chart))
    caption = (
        "Validation error and the terms of what training minimised, over epochs; logarithmic where a curve spans a "
        f"factor of more than {_LOG_FROM:g}."
    )
    return Figure("loss", caption, panels, [("training", 1, True), ("validation", 2, True)])


_COLUMNS = (
    Column("parameters"), Column("input numbers per latent"), Column("epochs"), Column("best epoch"),
    Column("training"), Column("images/s"), Column("backend", False), Column("device", False),
)  # fmt: skip


def cost_section(content: ReportContent) -> Section | None:
    """Return time, speed and size: of each run, in a study of each cell and then of each run."""
    if not content.runs:
        return None
    runs = [(run.record.name, [run.record]) for run in content.runs]
    if not content.study:
        return Section(
            "cost", "Training cost", "Cost", [Table("cost-table", _cost_grid(runs, "What training took", "run"))]
        )
    records = {run.record.name: run.record for run in content.runs}
    cells = [
        (cell.label, [records[name] for name in cell.runs if name in records])
        for cell in content.study.cells
        if any(name in records for name in cell.runs)
    ]
    total = sum(run.record.training_seconds for run in content.runs)
    blocks = [
        Table("cost-table", _cost_grid(cells, "What training took, mean over the seeds of a cell", "cell")),
        Paragraph(
            f"All {len(runs)} trainings together: {duration(total)}; the whole study: "
            f"{duration(content.study.seconds)}."
        ),
        Details("Run by run", [Table("cost-runs-table", _cost_grid(runs, "What training took, run by run", "run"))]),
    ]
    return Section("cost", "Training cost", "Cost", blocks)


def _mean(records: list[RunRecord], of: Callable[[RunRecord], float | None]) -> float | None:
    values = [value for record in records if (value := of(record)) is not None]
    return sum(values) / len(values) if values else None


def _cost_grid(named: list[tuple[str, list[RunRecord]]], caption: str, first: str) -> Grid:
    rows = []
    for place, (name, records) in enumerate(named):
        epochs = _mean(records, lambda record: record.epochs_done)
        best = _mean(records, lambda record: record.best_epoch)
        seconds = _mean(records, lambda record: record.training_seconds)
        speed = _mean(records, lambda record: record.images_per_second)
        backend, device = (", ".join(in_order(getattr(r, key) for r in records)) for key in ("backend", "device"))
        rows.append(
            (
                Cell(name, place),
                Cell(f"{records[0].parameters:,}", records[0].parameters),
                Cell(f"{records[0].latent_ratio:.4g}", records[0].latent_ratio),
                Cell(f"{epochs:.4g}", epochs),
                Cell("–" if best is None else f"{best:.4g}", best),
                Cell(duration(seconds), seconds),
                Cell(f"{speed:,.0f}", speed),
                Cell(backend, backend),
                Cell(device, device),
            )
        )
    return Grid(caption, (Column(first, False), *_COLUMNS), tuple(rows))


def latents_section(content: ReportContent) -> Section | None:
    """Return KL per latent of one run per cell, and KL, active units and ELBO of every run."""
    found = [(run.record.name, run.latents) for run in content.runs if run.latents]
    if not found:
        return None
    panels = []
    for place, one in enumerate(one_per_cell(series_of(content))):
        run = next((run for run in one.runs if run.latents), None)
        if run:
            name = f"{one.cell}, seed {run.record.seed}" if content.study else one.cell
            panels.append(_panel(f"kl-{place}", name, run.latents))
    threshold = found[0][1].active_threshold
    caption = (
        "KL divergence of each latent to N(0, 1), mean over images in nats, from the largest to the smallest. The "
        f"dashed line counts the active units: the variance of their posterior mean over images is above {threshold:g}."
    )
    words = in_order(f"Likelihood: {latents.likelihood}." for _, latents in found if latents.likelihood)
    note = "Log-likelihood and ELBO are those of a density over intensities in [0, 1], so they can be positive."
    blocks = [
        Figure("kl", caption, panels),
        Table("latents-table", _latents_grid(found)),
        Paragraph(f"{note} {' '.join(words)}"),
    ]
    return Section("latents", "Latents of the variational models", "Latents", blocks)


def _panel(ident: str, name: str, latents: LatentRecord) -> Panel:
    total = sum(latents.kl_nats)
    note = f"{latents.active_units} of {len(latents.kl_nats)} units active, {total:.1f} nats in all"
    chart = sorted_bars(
        ident,
        f"KL per latent: {name}",
        f"{note}; the largest {max(latents.kl_nats):.2f} nats",
        latents.kl_nats,
        names=("latents, sorted", "KL, nats per image"),
        marked=latents.active_units,
        mark=f"{latents.active_units} active",
    )
    return Panel(name, chart, note)


def _latents_grid(found: list[tuple[str, LatentRecord]]) -> Grid:
    columns = (
        Column("run", False), Column("images"), Column("KL, nats per image"), Column("active units"),
        Column("log-likelihood, nats per image"), Column("ELBO, nats per image"),
    )  # fmt: skip
    rows = []
    for place, (name, one) in enumerate(found):
        total = sum(one.kl_nats)
        rows.append(
            (
                Cell(name, place),
                Cell(f"{one.images:,}", one.images),
                Cell(f"{total:.1f}", total),
                Cell(f"{one.active_units} of {len(one.kl_nats)}", one.active_units),
                Cell(minus(f"{one.log_likelihood_nats:,.1f}"), one.log_likelihood_nats),
                Cell(minus(f"{one.elbo_nats:,.1f}"), one.elbo_nats),
            )
        )
    return Grid(f"Latents over the clean {found[0][1].split} images", columns, tuple(rows))
