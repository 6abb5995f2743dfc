"""How training went, what it cost, and the latents it ended with."""

from typing import Any

from kerasae.records import LatentRecord, ReportContent
from kerasae.reports.blocks import Details, Paragraph
from kerasae.reports.charts import Axis, Chart, Figure, Mark, Panel
from kerasae.reports.curves import loss_figure, one_per_cell, series_of, validation_figure
from kerasae.reports.run_tables import latents_table, training_table
from kerasae.reports.wording import duration, in_order

_RATIO = "Latent ratio: input numbers per latent."


def training(content: ReportContent) -> list[Any]:
    """Return the validation MSE over epochs, a line per run; of a single run the terms of its loss as well."""
    if len(content.runs) == 1 and not content.study:
        run = content.runs[0]
        figure = loss_figure(run.history, run.record.best_epoch)
    else:
        each = ", a line for each seed" if content.study else ""
        caption = f"Mean squared error on the validation images over epochs{each}"
        figure = validation_figure(one_per_cell(series_of(content)), caption)
    return [figure] if figure.panels else []


def cost(content: ReportContent) -> list[Any]:
    """Return time, speed and size: of each run, in a study of each cell and then of each run."""
    if not content.runs:
        return []
    runs = [(run.record.name, [run.record]) for run in content.runs]
    if not content.study:
        return [training_table(runs, first="run", caption=f"What training took. {_RATIO}", ident="cost-table")]
    records = {run.record.name: run.record for run in content.runs}
    cells = [(cell.label, [records[name] for name in cell.runs if name in records]) for cell in content.study.cells]
    cells = [(label, own) for label, own in cells if own]
    caption = f"What training took, mean over the seeds of a cell. {_RATIO}"
    total = duration(sum(run.record.training_seconds for run in content.runs))
    whole = f"All {len(runs)} trainings together: {total}; the whole study: {duration(content.study.seconds)}."
    by_run = training_table(runs, first="run", caption="What training took, run by run", ident="cost-runs-table")
    by_cell = training_table(cells, first="cell", caption=caption, ident="cost-table")
    return [by_cell, Paragraph(whole), Details("Run by run", [by_run])]


def latents(content: ReportContent) -> list[Any]:
    """Return KL per latent of one run per cell, and KL, active units and ELBO of every run."""
    found = [(run.record.name, run.latents) for run in content.runs if run.latents]
    if not found:
        return []
    panels = []
    for one in one_per_cell(series_of(content)):
        run = next((run for run in one.runs if run.latents), None)
        if run:
            name = f"{one.cell}, seed {run.record.seed}" if content.study else one.cell
            panels.append(_kl_panel(name, run.latents))
    threshold = found[0][1].active_threshold
    caption = (
        "KL divergence of each latent to N(0, 1), mean over images in nats, from the largest to the smallest. The "
        f"dashed line counts the active units: the variance of their posterior mean over images is above {threshold:g}."
    )
    words = in_order(f"Likelihood: {record.likelihood}." for _, record in found if record.likelihood)
    note = "Log-likelihood and ELBO are those of a density over intensities in [0, 1], so they can be positive."
    table = latents_table(found, ident="latents-table")
    return [Figure("kl", caption, panels), table, Paragraph(f"{note} {' '.join(words)}")]


def _kl_panel(name: str, record: LatentRecord) -> Panel:
    ordered = [max(amount, 0.0) for amount in sorted(record.kl_nats, reverse=True)]
    total, units = sum(record.kl_nats), record.active_units
    note = f"{units} of {len(ordered)} units active, {total:.1f} nats in all"
    chart = Chart(
        f"KL per latent: {name}",
        f"{note}; the largest {ordered[0]:.2f} nats",
        Axis("latents, sorted", whole=True),
        Axis("KL, nats per image"),
        edges=range(len(ordered) + 1),
        heights=ordered,
        marks=[Mark(units, "median", f"{units} active")] if units else [],
    )
    return Panel(name, chart, note)
