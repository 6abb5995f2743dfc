"""What training took."""

from collections.abc import Callable

from kerasae.records import ReportContent, RunRecord
from kerasae.reports.page.blocks import Details, Paragraph, Section, Table
from kerasae.reports.tables.numbers import duration
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import in_order

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
        return Section("cost", "Training cost", "Cost", [Table("cost-table", _grid(runs, "What training took", "run"))])
    records = {run.record.name: run.record for run in content.runs}
    cells = [
        (cell.label, [records[name] for name in cell.runs if name in records])
        for cell in content.study.cells
        if any(name in records for name in cell.runs)
    ]
    total = sum(run.record.training_seconds for run in content.runs)
    blocks = [
        Table("cost-table", _grid(cells, "What training took, mean over the seeds of a cell", "cell")),
        Paragraph(
            f"All {len(runs)} trainings together: {duration(total)}; the whole study: "
            f"{duration(content.study.seconds)}."
        ),
        Details("Run by run", [Table("cost-runs-table", _grid(runs, "What training took, run by run", "run"))]),
    ]
    return Section("cost", "Training cost", "Cost", blocks)


def _mean(records: list[RunRecord], of: Callable[[RunRecord], float | None]) -> float | None:
    values = [value for record in records if (value := of(record)) is not None]
    return sum(values) / len(values) if values else None


def _grid(named: list[tuple[str, list[RunRecord]]], caption: str, first: str) -> Grid:
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
