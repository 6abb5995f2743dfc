"""What a study's comparisons say, a sentence each."""

from rich.table import Table
from rich.text import Text

from kerasae.records import StudyRecord
from kerasae.reports.tables.numbers import plain_table

_STYLES = {"higher": "bold", "lower": "bold", "hint": "", "none": "dim", "one seed": "dim"}


def comparison_table(record: StudyRecord) -> Table:
    """Return a line for each comparison of ``record``, in the order of the study, never by size.

    What the study cannot tell apart is dim; what it can is bold.
    """
    table = plain_table("Comparisons, all else equal: difference [95 % interval over seeds and images]")
    table.add_column("", overflow="fold")
    for one in record.comparisons:
        table.add_row(Text(one.sentence, style=_STYLES[one.verdict]))
    return table
