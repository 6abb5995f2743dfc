"""Groups of images: who they are, and whether a score differs between them, persons counted as persons."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from kerasae.errors import DataError
from kerasae.evaluation.statistics import clustered_gap, clustered_mean, effective_units, holm
from kerasae.records import GroupScore

# Fewer effective persons, or images where persons are not known, say too little to be ranked.
LEAST_UNITS = 10
# A column of numbers with more values than this is cut into quarters.
_MOST_VALUES = 8
_QUARTERS = 4


def group_labels(column: str, values: Sequence[str]) -> list[str]:
    """Return the group of each image by the ``values`` of a CSV column: themselves, or of many numbers their quarter.

    Raises ``DataError`` where all are equal, or they are words and more than half as many as images, or some of many
    numbers are none.
    """
    distinct = sorted(set(values))
    if len(distinct) < 2:
        raise DataError(
            f"the column {column!r} has the value {distinct[0]!r} for all {len(values):,} images: there is nothing to "
            "compare; name another column, or other images with --data"
        )
    words = [value for value in distinct if not _is_number(value)]
    if not words and len(distinct) > _MOST_VALUES:
        return quarters(np.array([float(value) for value in values]))
    if len(words) <= len(distinct) // 10 and len(distinct) > _MOST_VALUES:
        raise DataError(
            f"the column {column!r} holds numbers and {len(words)} that are none, such as {words[0]!r}; give these a "
            "number, or leave their images out"
        )
    if 2 * len(distinct) > len(values):
        raise DataError(
            f"the column {column!r} has {len(distinct):,} values for {len(values):,} images: most are on one or two; "
            f"name a column that more share, or, if it says who is on them, pass --person {column}"
        )
    return list(values)


def quarters(numbers: np.ndarray) -> list[str]:
    """Return the quarter that each number falls into, by quartiles, with its range."""
    cuts = np.quantile(numbers, np.arange(1, _QUARTERS) / _QUARTERS)
    place = np.searchsorted(cuts, numbers, side="left")
    form = ".0f" if (numbers == np.rint(numbers)).all() else ".4g"
    names = {}
    for quarter in np.unique(place):
        inside = numbers[place == quarter]
        names[quarter] = f"quarter {quarter + 1}: {inside.min():{form}} to {inside.max():{form}}"
    return [names[quarter] for quarter in place]


def _is_number(value: str) -> bool:
    try:
        return bool(np.isfinite(float(value)))
    except ValueError:
        return False


def group_scores(
    columns: Mapping[str, Sequence[str]],
    scores: Mapping[str, np.ndarray],
    units: Sequence[str],
    *,
    model: Mapping[str, np.ndarray] | None = None,
) -> list[GroupScore]:
    """Return every group's mean of every score, and its gap to all other images, with p as it is.

    ``columns`` holds the group of each image by column, ``scores`` numbers ``(images,)`` by name, NaN where there is
    none, ``units`` the person of each image, or its name. ``model`` are the scores of the model that these are set
    beside: then each gap has that of the model less it. Of two groups only the first has a p: their gaps are one.
    """
    whose = np.asarray(units)
    rows: list[GroupScore] = []
    for column, everyone in columns.items():
        for score, numbers in scores.items():
            known = np.isfinite(numbers)
            labels, values, units = np.asarray(everyone)[known], np.asarray(numbers)[known], whose[known]
            names = sorted(set(labels.tolist()))
            for place, name in enumerate(names):
                inside = labels == name
                value = clustered_mean(values[inside], units[inside])
                small = effective_units(units[inside]) < LEAST_UNITS
                row = GroupScore(column, name, score, int(inside.sum()), value, small)
                if not small and effective_units(units[~inside]) >= LEAST_UNITS:
                    gap, p = clustered_gap(values, units, inside)
                    beyond = None
                    if model is not None:
                        beyond, _ = clustered_gap(model[score][known] - values, units, inside)
                    row = replace(row, gap=gap, p=p if len(names) > 2 or place == 0 else None, beyond=beyond)
                rows.append(row)
    return rows


def corrected(found: Sequence[Sequence[GroupScore]]) -> list[tuple[GroupScore, ...]]:
    """Return rows with their p-values corrected for all of them together (Holm)."""
    by_holm = iter(holm([row.p for rows in found for row in rows if row.p is not None]))
    return [tuple(row if row.p is None else replace(row, p=next(by_holm)) for row in rows) for rows in found]
