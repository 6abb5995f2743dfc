"""What is said of each run: how training went, what it cost, the latents it ended with, and its images."""

from dataclasses import dataclass
from typing import Any

from kerasae.records import Example, LatentRecord, ReportContent, RunContent
from kerasae.reports.charts import Axis, Chart, Figure, Mark, Panel
from kerasae.reports.curves import loss_figure, one_per_cell, series_of, validation_figure
from kerasae.reports.pictures import SIDE, Album, Tile, amplification, error_of, tiles_of, zoom_of
from kerasae.reports.run_tables import latents_table, training_table
from kerasae.reports.tables import Details, Paragraph, Pictures
from kerasae.reports.wording import at_sigma, chosen_sigmas, duration, in_order, quality, with_decoding

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


_STUDY_RANKS = ("worst", "median", "best")


@dataclass(frozen=True)
class _Shown:
    """An example with its tiles: whole, and the zoom (with where that is) where it is one of the worst."""

    example: Example
    whole: list[Tile]
    where: str
    zoom: list[Tile]


def examples(content: ReportContent, album: Album) -> list[Any]:
    """Return pictures at the best, median and worst image: of each run, in a study of the first seed of each cell."""
    found = ((one, next((run for run in one.runs if run.examples), None)) for one in one_per_cell(series_of(content)))
    owners = [(one.cell, run) for one, run in found if run]
    blocks: list[Any] = []
    for place, ((name, run), shown) in enumerate(zip(owners, _taken(content, owners, album), strict=True)):
        parts = _blocks(shown, f"examples-{place}")
        if parts and len(owners) > 1:
            parts = [Details(f"{name} (seed {run.record.seed})", parts, open=not blocks)]
        blocks += parts
    if blocks and album.left_out:
        blocks.append(Paragraph(f"{album.left_out} further examples are left out to keep the page small.", quiet=True))
    return blocks


def _wanted(content: ReportContent, run: RunContent) -> list[list[Example]]:
    """Return the examples of a run in the order in which they earn their room, phase by phase."""
    if not content.study:
        return [[example] for example in run.examples]
    sigmas = [sigma for sigma in chosen_sigmas(content) if any(e.sigma == sigma for e in run.examples)]
    decoded_from = run.examples[0].decoded_from
    return [
        [e for e in run.examples if (e.sigma, e.rank, e.decoded_from) == (sigma, rank, decoded_from)][:1]
        for sigma in sigmas or [run.examples[0].sigma]
        for rank in _STUDY_RANKS
    ]


def _taken(content: ReportContent, owners: list[tuple[str, RunContent]], album: Album) -> list[list[_Shown]]:
    wanted = [_wanted(content, run) for _, run in owners]
    factors = [_factors(run.examples) for _, run in owners]
    shown: list[list[_Shown]] = [[] for _ in owners]
    # Every cell shows its worst image before any shows its best: what does not fit is then the same kind everywhere.
    for phase in range(max(map(len, wanted), default=0)):
        for place, phases in enumerate(wanted):
            for example in phases[phase] if phase < len(phases) else ():
                tiles = tiles_of(example, factors[place][_condition(example)])
                where, zoom = zoom_of(example) if "worst" in example.rank else ("", [])
                if album.take(tiles + zoom):
                    shown[place].append(_Shown(example, tiles, where, zoom))
    return shown


def _condition(example: Example) -> tuple[float, str]:
    return example.sigma, example.decoded_from


def _factors(found: tuple[Example, ...]) -> dict[tuple[float, str], int]:
    keys = set(map(_condition, found))
    return {key: amplification([error_of(one) for one in found if _condition(one) == key]) for key in keys}


def _blocks(shown: list[_Shown], ident: str) -> list[Pictures]:
    blocks = []
    for sigma, decoded_from in dict.fromkeys(_condition(one.example) for one in shown):
        members = [one for one in shown if _condition(one.example) == (sigma, decoded_from)]
        members.sort(key=lambda one: -one.example.metrics["psnr"])
        under = with_decoding(at_sigma(sigma), decoded_from)
        rows = [(x.example.rank, f"{x.example.name}: {quality(x.example.metrics)}", x.whole) for x in members]
        split = members[0].example.split
        caption = f"Images, {under}: by PSNR the best, the median and the worst of the {split} images."
        name = f"{ident}-{sigma:g}-{decoded_from}".replace(".", "_")
        blocks.append(Pictures(name, caption, rows))
        rows = [(one.example.rank, one.where, one.zoom) for one in members if one.zoom]
        if rows:
            caption = (
                f"Where the worst images went most wrong, {under}: the {SIDE} × {SIDE} pixels with the largest squared "
                "error, enlarged."
            )
            blocks.append(Pictures(f"{name}-zoom", caption, rows, pixels=True))
    return blocks
