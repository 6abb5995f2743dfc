"""What runs there are."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from kerasae.records import RunRecord
from kerasae.reports.tables.numbers import WIDE, columns_of_terminal, duration, plain_table

STYLES = {"finished": "green", "training": "cyan", "stopped": "yellow", "failed": "red"}


def runs_table(records: Sequence[RunRecord], *, title: str = "Runs", width: int | None = None) -> Table:
    """Return one row per run, in the order given.

    Args:
        records: what ``run.json`` says of each run.
        title: what the table is of.
        width: columns to fit, those of the terminal if None; below 110 the parameters, the latent
            ratio, the seed and the speed are left out.
    """
    width = width or columns_of_terminal()
    wide = width >= WIDE
    table = plain_table(title)
    table.add_column("run", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("backend", no_wrap=True)
    for heading in ["epochs", "best", "time"] + ["seed", "parameters", "latent ratio", "images/s"] * wide:
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        name = Text(record.name)
        if record.message:
            name.append(f"\n{record.message}", style="dim")
        best = "–" if record.best_epoch is None else str(record.best_epoch)
        cells = [str(record.epochs_done), best, duration(record.training_seconds)]
        if wide:
            ratio, speed = f"{record.latent_ratio:g}", f"{record.images_per_second:,.0f}"
            cells += [str(record.seed), f"{record.parameters:,}", ratio, speed]
        table.add_row(name, Text(record.status, style=STYLES.get(record.status, "")), record.backend, *cells)
    return table
