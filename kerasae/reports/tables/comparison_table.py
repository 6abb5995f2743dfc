"""What a study's comparisons say, in sentences."""

from collections import Counter

from rich.table import Table
from rich.text import Text

from kerasae.records import StudyRecord
from kerasae.reports.tables.numbers import plain_table

NAMES = {"psnr": "PSNR", "ssim": "SSIM", "psnr_change": "what noise costs in PSNR"}
_STYLES = {"higher": "bold", "lower": "bold", "hint": "", "none": "dim", "one seed": "dim"}
_SHOWN_WHOLE = 6  # comparisons; of a question with more, only those that see something are written out


def comparison_table(record: StudyRecord) -> Table:
    """Return the comparisons of ``record``, question by question, in the order of the study, never by size.

    A question is one metric along one axis. Each has a line that counts what was seen; where it has more than six
    comparisons, those that show no difference stay with the count. What the study can tell apart is bold.
    """
    table = plain_table("Comparisons, all else equal: difference [95 % interval over seeds and images]")
    table.add_column("", overflow="fold")
    for metric, axis in dict.fromkeys((one.metric, one.axis) for one in record.comparisons):
        asked = [one for one in record.comparisons if (one.metric, one.axis) == (metric, axis)]
        table.add_row(Text(f"{axis}, {NAMES[metric]}: {_count(asked)}", style="italic"))
        for one in asked:
            if len(asked) <= _SHOWN_WHOLE or one.verdict in ("higher", "lower", "hint"):
                table.add_row(Text(f"  {one.sentence}", style=_STYLES[one.verdict]))
    table.caption = "every comparison in words: kerasae report"
    return table


def _count(asked) -> str:
    seen = Counter("difference" if one.verdict in ("higher", "lower") else one.verdict for one in asked)
    words = {"difference": "differ", "hint": "give a hint", "none": "show nothing", "one seed": "have one seed a side"}
    counts = [f"{seen[verdict]} {text}" for verdict, text in words.items() if seen[verdict]]
    return f"of {len(asked)}, {', '.join(counts)}"
