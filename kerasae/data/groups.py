"""Which images belong together, read from a CSV file."""

import csv
import difflib
from collections.abc import Sequence
from pathlib import Path

from kerasae.errors import DataError


def read_groups(labels: Path, column: str, names: Sequence[str]) -> tuple[str, ...]:
    """Return the group of each name: the value of ``column`` in the row whose ``file`` is the name.

    ``labels`` is a CSV file with a head row, in UTF-8; rows of other files are passed over.
    Raises ``DataError`` where the file or a column is missing, a name has no row or no value, or two that differ.
    """
    values = _values(labels, column)
    missing = [name for name in names if name not in values]
    if missing:
        raise DataError(
            f"{labels} has no row for {_count(missing)}, first {missing[0]!r}; each needs a row with its path relative "
            f"to the folder in the column 'file'"
        )
    empty = [name for name in names if not values[name]]
    if empty:
        raise DataError(f"{labels} has an empty {column!r} for {_count(empty)}, first {empty[0]!r}; give each a value")
    return tuple(values[name] for name in names)


def _values(labels: Path, column: str) -> dict[str, str]:
    values: dict[str, str] = {}
    try:
        # Spreadsheets put a byte order mark at the head, which would become part of the first column's name.
        with labels.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            _require(labels, list(rows.fieldnames or ()), ("file", column))
            for row in rows:
                name, value = (row["file"] or "").strip().replace("\\", "/"), (row[column] or "").strip()
                if values.setdefault(name, value) != value:
                    raise DataError(
                        f"{labels} gives {name!r} two values of {column!r}: {values[name]!r} and {value!r}; keep one"
                    )
    except FileNotFoundError:
        raise DataError(
            f"the labels file {labels} does not exist; data.group_column = {column!r} needs a CSV file with the "
            f"columns file,{column} (its name: data.labels)"
        ) from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"the labels file {labels} cannot be read as a CSV file in UTF-8: {error}") from None
    return values


def _require(labels: Path, columns: list[str], wanted: Sequence[str]) -> None:
    for column in wanted:
        if column not in columns:
            near = difflib.get_close_matches(column, columns, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise DataError(f"{labels} has no column {column!r}; it has: {', '.join(columns) or 'none'}{hint}")


def _count(names: Sequence[str]) -> str:
    return f"{len(names):,} image{'s' * (len(names) != 1)}"
