"""What variational models say with their latents."""

from kerasae.records import LatentRecord, ReportContent
from kerasae.reports.page.blocks import Figure, Panel, Paragraph, Section, Table
from kerasae.reports.page.charts.bars import sorted_bars
from kerasae.reports.page.series import one_per_cell, series_of
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import in_order, minus


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
        Table("latents-table", _grid(found)),
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


def _grid(found: list[tuple[str, LatentRecord]]) -> Grid:
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
