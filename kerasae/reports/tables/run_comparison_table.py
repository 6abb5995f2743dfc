"""Runs side by side."""

from string import ascii_uppercase
from typing import Any

from rich.table import Table
from rich.text import Text

from kerasae.records import ComparedScore, Difference, RunComparison, Score
from kerasae.reports.tables.numbers import DIGITS, WIDE, columns_of_terminal, noise, plain_table, written
from kerasae.reports.tables.score_table import METRICS


def run_difference_table(comparison: RunComparison) -> Table:
    """Return the names of the runs, each with the letter it goes by, and what differs in their recipes."""
    table = plain_table("What differs")
    table.add_column("", no_wrap=True)
    for letter in letters(comparison):
        table.add_column(letter, overflow="fold")
    table.add_row(Text("run", style="bold"), *(Text(name, style="bold") for name in comparison.runs))
    for key, values in comparison.differs.items():
        table.add_row(key, *map(_value, values))
    if not comparison.differs:
        table.caption = "the recipes, and what they ran on, are the same"
    return table


def run_comparison_table(comparison: RunComparison, *, width: int | None = None) -> Table:
    """Return a row per score, those of one split and noise together, and each run's differences from the first.

    A cell holds the mean over images, beneath it the difference and its interval. ``− latents`` names what the first
    run's score was decoded from where that is something else; a number of images (``im.``) of its own is written too.

    Args:
        comparison: what was compared.
        width: columns to fit, those of the terminal if None; from 110 on, what a row is about spreads over columns of
            its own.
    """
    wide = (width or columns_of_terminal()) >= WIDE
    table = plain_table("Scores, and the difference from A")
    for heading in [*(["split", "noise σ", "images"] if wide else ["split"]), "", "decoded\nfrom"]:
        justify = "right" if heading in ("noise σ", "images") else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    for heading in METRICS.values():
        # On a narrow terminal the widest intervals break after their comma.
        table.add_column(heading, justify="right", no_wrap=wide)
    letter_of = dict(zip(comparison.runs, letters(comparison), strict=True))
    first = None
    for row in comparison.scores:
        score = row.score
        if first is None or (score.split, score.sigma) != (first.split, first.sigma):
            if first is not None:
                table.add_section()
            first = score
        about = _condition(score, wide) if score is first else [""] * (3 if wide else 1)
        cells = [*about, Text(letter_of[score.run], style="bold"), _decoded_from(row, first)]
        table.add_row(*cells, *(_cell(metric, row, wide) for metric in METRICS))
    return table


def letters(comparison: RunComparison) -> list[str]:
    """Return the letter that each run goes by: A for the first."""
    count = len(ascii_uppercase)
    return [ascii_uppercase[place % count] * (place // count + 1) for place in range(len(comparison.runs))]


def _condition(score: Score, wide: bool) -> list[str | Text]:
    if wide:
        return [score.split, noise(score.sigma), f"{score.count:,}"]
    text = Text(f"{score.split},\n{score.count:,} im.,\n")
    return [text.append(f"σ {score.sigma:g}" if score.sigma else "clean", style="dim")]


def _decoded_from(row: ComparedScore, first: Score) -> Text:
    text = Text(row.score.decoded_from)
    if row.against not in (None, row.score.decoded_from):
        text.append(f"\n− {row.against}", style="dim")
    if row.score.count != first.count:
        text.append(f"\n{row.score.count:,} im.", style="dim")
    return text


def _cell(metric: str, row: ComparedScore, wide: bool) -> Text:
    text = Text(written(metric, getattr(row.score, metric).mean), style="bold", justify="right", no_wrap=wide)
    difference: Difference | None = getattr(row, metric)
    if difference is None:
        return text
    text.append(f"\n{_signed(metric, difference.mean)}", style="not bold")
    if difference.low is not None:
        interval = f"[{_signed(metric, difference.low)}, {_signed(metric, difference.high)}]"
        text.append(f"{' ' if wide else chr(10)}{interval}", style="not bold dim")
    return text


def _signed(metric: str, value: float) -> str:
    """Return ``value`` with its sign, as a typographic minus where it is negative."""
    shown = f"{value:+.{DIGITS[metric]}f}"
    # A difference too small for its digits has no sign to show.
    return shown[1:] if float(shown) == 0 else shown.replace("-", "−")


def _value(value: Any) -> Text:
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, bool):
        return Text(str(value).lower())
    return Text(f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value))
