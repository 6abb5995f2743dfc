"""How a metric spreads over images."""

import numpy as np
from markupsafe import Markup

from kerasae.reports.page.charts.frame import Frame, axis_names, grid, left_margin
from kerasae.reports.page.charts.scale import Scale, spanning
from kerasae.reports.page.charts.svg import drawing, element, path

WIDTH, HEIGHT = 256.0, 152.0  # smaller than other charts: a study has one for each of its cells


def histogram(
    ident: str, title: str, description: str, values: np.ndarray, x_name: str, span: tuple[float, float]
) -> Markup:
    """Return bars of counts, with the mean as a full line, the median dashed, and one standard deviation shaded.

    ``values`` are finite, ``(images,)``; ``span`` is what the x axis shows, the same for charts to be compared.
    """
    counts, edges = bins(values)
    top, bottom = 26.0, HEIGHT - 42
    y = Scale(0, counts.max() * 1.06, bottom, top)
    ticks = [tick for tick in y.ticks(3) if tick == int(tick)]
    frame = Frame(left_margin(ticks), WIDTH - 12, top, bottom)
    x = spanning([*span, float(edges[0]), float(edges[-1])], frame.left, frame.right, margin=0.03)
    mean, median, std = values.mean(), np.median(values), spread(values)
    low, high = (min(max(x(end), frame.left), frame.right) for end in (mean - std, mean + std))
    marks = [element("rect", x=low, y=top, width=high - low, height=bottom - top, class_="band f1")]
    marks += grid(frame, x, y, x.ticks(4), ticks) + axis_names(frame, x_name, "images")
    marks.append(path(_outline(counts, edges, x, y), class_="bars"))
    marks.append(path([(x(mean), top), (x(mean), bottom)], class_="mean"))
    marks.append(path([(x(median), top), (x(median), bottom)], class_="median"))
    return drawing(ident, WIDTH, HEIGHT, title, description, marks)


def bins(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return counts ``(bins,)`` and edges ``(bins + 1,)``; a single bin of some width where all values agree."""
    low, high = float(values.min()), float(values.max())
    if high - low < 1e-9 * max(1.0, abs(high)):
        half = 0.02 * max(abs(low), 1e-3)
        return np.array([values.size]), np.array([low - half, low + half])
    return np.histogram(values, bins=int(np.clip(2 * np.cbrt(values.size), 5, 40)), range=(low, high))


def spread(values: np.ndarray) -> float:
    """Return the standard deviation over images (n − 1), 0 of a single one."""
    return float(values.std(ddof=1)) if values.size > 1 else 0.0


def _outline(counts, edges, x, y):
    points = [(x(edges[0]), y(0))]
    for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True):
        points += [(x(left), y(count)), (x(right), y(count))]
    return [*points, (x(edges[-1]), y(0))]
