"""What a study would do."""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from kerasae.reports.tables.numbers import plain_table


def plan_table(rows: Sequence[dict], *, title: str) -> Table:
    """Return the runs of a planned study: ``run``, ``backend``, ``done`` and, where it is known, ``seconds``."""
    table = plain_table(title)
    table.add_column("run", overflow="fold")
    table.add_column("backend", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        seconds = row["seconds"]
        state = "done" if row["done"] else "to do" if seconds is None else f"about {seconds:.0f} s"
        table.add_row(row["run"], row["backend"], Text(state, style="green" if row["done"] else ""))
    return table
