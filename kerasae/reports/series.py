"""The lines of a report: which runs or cells are drawn together, and how each looks."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kerasae.records import CellScore, ReportContent, RunContent, Score
from kerasae.reports.theme import LOOKS
from kerasae.reports.wording import DECODINGS, in_order, is_exact, is_reference


@dataclass(frozen=True)
class Series:
    """One cell of a study (or one run), decoded in one way.

    Lines of the same ``panel`` are drawn together and told apart by ``label`` and ``look``; ``cell`` names the line
    where it stands alone. ``scores`` are in the order of sigma. Past the last look they begin again, thin.
    """

    panel: str
    label: str
    look: int
    cell: str
    decoded_from: str
    scores: tuple[Score | CellScore, ...]
    runs: tuple[RunContent, ...]
    weight: str = ""


def series_of(content: ReportContent) -> list[Series]:
    """Return every line of the report; the levels that a study compares share a panel."""
    return _of_study(content) if content.study else _of_runs(content)


def panels_of(series: list[Series]) -> dict[str, list[Series]]:
    """Return the lines by panel, in order."""
    return {panel: [one for one in series if one.panel == panel] for panel in in_order(one.panel for one in series)}


def one_per_cell(series: list[Series]) -> list[Series]:
    """Return the first way of decoding of each cell."""
    first: dict[str, Series] = {}
    for one in series:
        first.setdefault(one.cell, one)
    return list(first.values())


def _by_sigma(scores):
    return tuple(sorted(scores, key=lambda score: score.sigma))


def _of_study(content: ReportContent) -> list[Series]:
    study = content.study
    runs = {run.record.name: run for run in content.runs}
    along = study.comparisons_along if study.comparisons_along in study.axes else list(study.axes)[-1]
    found = []
    for cell in study.cells:
        own = [score for score in study.scores if score.levels == cell.levels]
        for decoded_from in in_order(score.decoded_from for score in own):
            where = [level for axis, level in cell.levels.items() if axis != along]
            panel = ", ".join(part for part in (*where, DECODINGS.get(decoded_from, "")) if part)
            place = study.axes[along].index(cell.levels[along])
            scores = _by_sigma(score for score in own if score.decoded_from == decoded_from)
            runs_of_cell = tuple(runs[name] for name in cell.runs if name in runs)
            look, label = place % LOOKS + 1, cell.levels[along]
            weight = "thin" if place >= LOOKS else ""
            found.append(Series(panel, label, look, cell.label, decoded_from, scores, runs_of_cell, weight))
    return found


def _of_runs(content: ReportContent) -> list[Series]:
    found = []
    for run in content.runs:
        scores = [score for score in run.scores if not is_reference(score)]
        splits = in_order(score.split for score in scores)
        split = "test" if "test" in splits else next(iter(splits), "")
        own = [score for score in scores if score.split == split]
        # A run that was not scored still has a training to show.
        for decoded_from in in_order(score.decoded_from for score in own) or [""]:
            name = run.record.name if len(content.runs) > 1 else ""
            label = ", ".join(part for part in (name, DECODINGS.get(decoded_from, "")) if part) or run.record.name
            chosen = _by_sigma(score for score in own if score.decoded_from == decoded_from)
            look = len(found) % LOOKS + 1
            found.append(Series("", label, look, run.record.name, decoded_from, chosen, (run,)))
    return found


def series_of_scores(scores: Sequence[Score]) -> list[Series]:
    """Return a line for each run and way of decoding among ``scores``, in one panel; without those of doing nothing."""
    found: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if not is_reference(score):
            found.setdefault((score.run, score.decoded_from), []).append(score)
    ways = Counter(run for run, _ in found)
    series = []
    for place, ((run, way), own) in enumerate(found.items()):
        label = f"{run}, {way}" if ways[run] > 1 else run
        weight = "thin" if place >= LOOKS else ""
        series.append(Series("", label, place % LOOKS + 1, label, way, _by_sigma(own), (), weight))
    return series


def reference_scores(scores: Iterable[Score | CellScore]) -> list[Score | CellScore]:
    """Return what doing nothing scores, by sigma; the clean image against itself is left out."""
    once = {score.sigma: score for score in reversed([*scores]) if is_reference(score) and not is_exact(score)}
    return [once[sigma] for sigma in sorted(once)]


def references_of(content: ReportContent) -> list[Score | CellScore]:
    """Return what doing nothing scores on the images of the report."""
    if content.study:
        return reference_scores(content.study.do_nothing)
    return reference_scores([*content.do_nothing, *(score for run in content.runs for score in run.scores)])
