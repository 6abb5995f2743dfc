"""Training noise against test noise."""

from kerasae.reports.page.blocks import Table
from kerasae.reports.page.series import Series
from kerasae.reports.page.theme import SHADES
from kerasae.reports.tables.numbers import written
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import in_order, training_sigma

LEAST = 3  # with fewer levels the curves say it all


def matrices(series: list[Series], sigmas: list[float]) -> list[Table]:
    """Return a table of PSNR for each kind of model that was trained under ``LEAST`` noises or more.

    Rows are the noise in training, columns that of the test; the best of a column is marked, and shades follow PSNR.
    """
    families: dict[tuple, list[tuple[float, Series]]] = {}
    for one in series:
        if one.scores and one.runs:
            families.setdefault(_family(one), []).append((training_sigma(one.runs[0].recipe), one))
    tables = []
    for family, members in families.items():
        trained = [sigma for sigma, _ in members]
        if len(set(trained)) >= LEAST and len(set(trained)) == len(trained):
            tables.append(_table(len(tables), family, sorted(members, key=lambda member: member[0]), sigmas))
    return tables


def _family(one: Series) -> tuple:
    """Return what a series is but for its training noise: all other settings of its recipe, and the decoding."""
    recipe = {key: value for key, value in one.runs[0].recipe.items() if key not in ("name", "noise")}
    return (repr(recipe), one.decoded_from)


def _table(place: int, family: tuple, members: list[tuple[float, Series]], sigmas: list[float]) -> Table:
    values = {}
    for row, (_, one) in enumerate(members):
        for score in one.scores:
            if score.sigma in sigmas:
                values[row, sigmas.index(score.sigma) + 1] = score.psnr.mean
    best = {column: max(v for (_, c), v in values.items() if c == column) for column in {c for _, c in values}}
    rows = []
    for row, (trained, _) in enumerate(members):
        cells = [Cell(f"trained at σ {trained:g}" if trained else "trained clean", trained)]
        for column in range(1, len(sigmas) + 1):
            value = values.get((row, column))
            mark = "best of column" if value is not None and value == best[column] else ""
            cells.append(Cell("–") if value is None else Cell(written("psnr", value), value, mark))
        rows.append(tuple(cells))
    columns = (Column("PSNR, dB", False), *(Column(f"tested at σ {s:g}" if s else "tested clean") for s in sigmas))
    about = in_order(part for part in (members[0][1].panel, family[1]) if part)
    caption = (
        f"Training noise (rows) against test noise (columns), mean PSNR in dB: {', '.join(about)}. Darker is higher."
    )
    return Table(f"matrix-{place}", Grid(caption, columns, tuple(rows)), shades=_shades(values))


def _shades(values):
    low, high = min(values.values()), max(values.values())
    steps = len(SHADES)
    return {
        place: 1 + min(int((value - low) / max(high - low, 1e-12) * steps), steps - 1)
        for place, value in values.items()
    }
