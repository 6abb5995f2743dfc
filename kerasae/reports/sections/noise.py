"""Quality against the noise on the input."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from kerasae.metrics.registry import METRICS
from kerasae.records import ReportContent
from kerasae.reports.blocks import Details
from kerasae.reports.curves import noise_figure
from kerasae.reports.score_tables import compared, noise_rows, noise_table
from kerasae.reports.series import Series, panels_of, references_of, series_of
from kerasae.reports.tables import MISSING, Cell, Column, Table
from kerasae.reports.theme import SHADES
from kerasae.reports.wording import at_sigma, in_order, is_reference, sigmas_of, training_sigma

_LEAST = 3  # levels of training noise: with fewer the curves say it all


def noise(content: ReportContent) -> list[Any]:
    """Return the metrics over sigma as curves and tables, and matrices where training noise is an axis."""
    sigmas, series, nothing = sigmas_of(content), series_of(content), references_of(content)
    scored = [one for one in series if one.scores]
    if len(sigmas) < 2 or not scored:
        return []
    scores = [score for one in scored for score in one.scores]
    metrics = compared(scores)
    # A figure for each metric; one for all where each has but a single panel.
    groups = [metrics] if len(panels_of(scored)) == 1 else [[metric] for metric in metrics]
    idents = ["noise-both"] if len(groups) == 1 else [f"noise-{metric}" for metric in metrics]
    figures = [noise_figure(group, scored, nothing, ident=ident) for group, ident in zip(groups, idents, strict=True)]
    rows = noise_rows([*(score for score in scores if not is_reference(score)), *nothing])
    tables = [
        replace(
            noise_table(rows, sigmas, [metric]),
            caption=f"{METRICS[metric].heading} at each noise level, [95 % interval of the mean]",
            ident=f"noise-{metric}-table",
        )
        for metric in metrics
    ]
    return [
        *figures, *matrices(scored, sigmas), Details("The same as tables, at every noise level", tables)
    ]  # fmt: skip


def matrices(series: Sequence[Series], sigmas: Sequence[float]) -> list[Table]:
    """Return a table of PSNR for each kind of model that was trained under ``_LEAST`` noises or more.

    Rows are the noise in training, columns that of the test; the best of a column is marked, and shades follow PSNR.
    """
    families: dict[tuple, dict[float, list[Series]]] = {}
    for one in series:
        if one.runs:
            # What a series is but for its training noise: all other settings of its recipe, and the decoding.
            recipe = {key: value for key, value in one.runs[0].recipe.items() if key not in ("name", "noise")}
            family = families.setdefault((repr(recipe), one.decoded_from), {})
            family.setdefault(training_sigma(one.runs[0].recipe), []).append(one)
    found = [
        {sigma: members[0] for sigma, members in sorted(family.items())}
        for family in families.values()
        if len(family) >= _LEAST and all(len(members) == 1 for members in family.values())
    ]
    return [_matrix(place, family, sigmas) for place, family in enumerate(found)]


def _matrix(place: int, family: dict[float, Series], sigmas: Sequence[float]) -> Table:
    psnr = [{score.sigma: score.metrics["psnr"].mean for score in one.scores} for one in family.values()]
    values = [value for row in psnr for sigma, value in row.items() if sigma in sigmas]
    low, high = min(values), max(values)
    columns = [Column("PSNR, dB", False), *(Column(f"tested {_at(sigma)}") for sigma in sigmas)]
    rows = []
    for trained, row in zip(family, psnr, strict=True):
        cells = [Cell(f"trained {_at(trained)}", trained)]
        for sigma in sigmas:
            best = max((other[sigma] for other in psnr if sigma in other), default=None)
            cells.append(_shaded(row[sigma], row[sigma] == best, low, high) if sigma in row else MISSING)
        rows.append(cells)
    first = next(iter(family.values()))
    about = ", ".join(in_order(part for part in (first.panel, first.decoded_from) if part))
    caption = f"Training noise (rows) against test noise (columns), mean PSNR in dB: {about}. Darker is higher."
    return Table(caption, columns, rows, ident=f"matrix-{place}")


def _at(sigma: float) -> str:
    return f"at {at_sigma(sigma)}" if sigma else "clean"


def _shaded(value: float, best: bool, low: float, high: float) -> Cell:
    steps = len(SHADES)
    shade = 1 + min(int((value - low) / max(high - low, 1e-12) * steps), steps - 1)
    return Cell(f"{value:.2f}", value, interval="best of column" * best, shade=shade)
