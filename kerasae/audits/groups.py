"""Groups of images: who they are, and whether a score differs between them, persons counted as persons."""

from collections.abc import Mapping, Sequence

import numpy as np

from kerasae.errors import DataError
from kerasae.evaluation.statistics import clustered_gap, clustered_mean, holm
from kerasae.records import GroupScore

# Fewer persons, or images where persons are not known, say too little to be ranked.
LEAST_UNITS = 10
# A column of numbers with more values than this is cut into quarters.
_MOST_VALUES = 8
_QUARTERS = 4


def group_labels(column: str, values: Sequence[str]) -> list[str]:
    """Return the group of each image by the ``values`` of a CSV column: themselves, or of many numbers their quarter.

    Raises ``DataError`` where all are equal, or they are words and each image has its own.
    """
    distinct = sorted(set(values))
    if len(distinct) < 2:
        raise DataError(
            f"the column {column!r} has the value {distinct[0]!r} for all {len(values):,} images: there is nothing to "
            "compare; name another column, or other images with --data"
        )
    numbers = _numbers(distinct)
    if numbers is not None and len(distinct) > _MOST_VALUES:
        return quarters(np.array([float(value) for value in values]))
    if len(distinct) == len(values):
        raise DataError(
            f"the column {column!r} has another value for each of {len(values):,} images: none is a group; name a "
            f"column that several share, or, if it says who is on them, pass --person {column}"
        )
    return list(values)


def quarters(numbers: np.ndarray) -> list[str]:
    """Return the quarter that each number falls into, by quartiles, with its range."""
    cuts = np.quantile(numbers, np.arange(1, _QUARTERS) / _QUARTERS)
    place = np.searchsorted(cuts, numbers, side="left")
    names = {}
    for quarter in np.unique(place):
        inside = numbers[place == quarter]
        names[quarter] = f"{'quarter'} {quarter + 1}: {inside.min():.3g} to {inside.max():.3g}"
    return [names[quarter] for quarter in place]


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        return None
    return numbers if np.isfinite(numbers).all() else None


def group_scores(
    columns: Mapping[str, Sequence[str]], scores: Mapping[str, np.ndarray], units: Sequence[str]
) -> list[GroupScore]:
    """Return every group's mean of every score, and its gap to all other images.

    ``columns`` holds the group of each image by column, ``scores`` numbers ``(images,)`` by name, NaN where there is
    none, ``units`` the person of each image, or its name. P-values are corrected together. Of two groups only one is
    tested: their gaps are one.
    """
    whose = np.asarray(units)
    rows: list[GroupScore] = []
    tested: list[tuple[int, float]] = []
    for column, everyone in columns.items():
        names = sorted(set(everyone))
        for score, numbers in scores.items():
            known = np.isfinite(numbers)
            labels, values, units = np.asarray(everyone)[known], np.asarray(numbers)[known], whose[known]
            counts = {name: len(set(units[labels == name].tolist())) for name in names}
            small = {name: count < LEAST_UNITS for name, count in counts.items()}
            for place, name in enumerate(name for name in names if counts[name]):
                inside = labels == name
                value = clustered_mean(values[inside], units[inside])
                row = GroupScore(column, name, score, int(inside.sum()), value, small[name])
                rest = len(set(units[~inside].tolist()))
                if not small[name] and rest >= LEAST_UNITS:
                    gap, p = clustered_gap(values, units, inside)
                    row = GroupScore(column, name, score, int(inside.sum()), value, False, gap, p)
                    if len(names) > 2 or place == 0:
                        tested.append((len(rows), p))
                rows.append(row)
    corrected = holm([p for _, p in tested]) if tested else []
    by_place = dict(zip((place for place, _ in tested), corrected, strict=True))
    found = []
    for place, row in enumerate(rows):
        # The second of two groups has the p of the first, which stands just before it.
        p = by_place.get(place, by_place.get(place - 1) if row.gap else None)
        found.append(GroupScore(**{**vars(row), "p": p if row.gap else None}))
    return found
