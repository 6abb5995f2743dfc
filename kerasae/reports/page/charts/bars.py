"""Many small amounts, from the largest to the smallest."""

from collections.abc import Sequence

from markupsafe import Markup

from kerasae.reports.page.charts.frame import WIDTH, Frame, axis_names, grid, left_margin
from kerasae.reports.page.charts.scale import Scale
from kerasae.reports.page.charts.svg import drawing, element, path, text


def sorted_bars(
    ident: str,
    title: str,
    description: str,
    amounts: Sequence[float],
    *,
    names: tuple[str, str],
    marked: int,
    mark: str,
) -> Markup:
    """Return the chart of ``amounts``, sorted, with a line and ``mark`` after ``marked`` bars; ``names`` of x and y."""
    ordered = sorted(amounts, reverse=True)
    height, top, bottom = 210.0, 30.0, 168.0
    y = Scale(0, max(ordered[0], 1e-9) * 1.06, bottom, top)
    frame = Frame(left_margin(y.ticks(4)), WIDTH - 12, top, bottom)
    x = Scale(0, len(ordered), frame.left, frame.right)
    points = [(x(0), y(0))]
    for place, amount in enumerate(ordered):
        points += [(x(place), y(max(amount, 0))), (x(place + 1), y(max(amount, 0)))]
    points.append((x(len(ordered)), y(0)))
    marks = grid(frame, x, y, [tick for tick in x.ticks(5) if tick == int(tick)], y.ticks(4))
    marks += axis_names(frame, *names)
    marks.append(path(points, class_="bars"))
    if 0 < marked <= len(ordered):
        place = float(x(marked))
        marks.append(element("line", x1=place, x2=place, y1=top, y2=bottom, class_="median"))
        late = place > (frame.left + frame.right) / 2
        marks.append(text(place + (-6 if late else 6), top + 11, mark, anchor="end" if late else "start"))
    return drawing(ident, WIDTH, height, title, description, marks)
