"""What lies behind the marks of a chart: grid, numbers and the names of axes."""

from dataclasses import dataclass

from markupsafe import Markup

from kerasae.reports.page.charts.scale import Scale
from kerasae.reports.page.charts.svg import element, text

WIDTH = 360.0  # of every panel: about what a phone shows, so that words in it keep their size there


@dataclass(frozen=True)
class Frame:
    """The inner rectangle of a chart, in its own units; ``top`` < ``bottom``."""

    left: float
    right: float
    top: float
    bottom: float


def tick_label(value: float) -> str:
    """Return a short number with a typographic minus."""
    return f"{value:g}".replace("-", "−") if 1e-4 <= abs(value) < 1e5 or value == 0 else _scientific(value)


def _scientific(value):
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")


def left_margin(ticks: list[float]) -> float:
    """Return the room that the numbers beside the y axis take."""
    return 10 + 6.3 * max(len(tick_label(tick)) for tick in ticks)


def grid(frame: Frame, x: Scale, y: Scale, x_ticks: list[float], y_ticks: list[float]) -> list[Markup]:
    """Return light lines across at ``y_ticks``, a base line, short strokes at ``x_ticks`` and all their numbers."""
    marks = []
    for tick in y_ticks:
        place = float(y(tick))
        marks.append(element("line", x1=frame.left, x2=frame.right, y1=place, y2=place, class_="grid"))
        marks.append(text(frame.left - 6, place + 3.8, tick_label(tick), anchor="end", class_="t q"))
    marks.append(element("line", x1=frame.left, x2=frame.right, y1=frame.bottom, y2=frame.bottom, class_="axis"))
    for tick in x_ticks:
        place = float(x(tick))
        marks.append(element("line", x1=place, x2=place, y1=frame.bottom, y2=frame.bottom + 4, class_="axis"))
        marks.append(text(place, frame.bottom + 16, tick_label(tick), anchor="middle", class_="t q"))
    return marks


def axis_names(frame: Frame, x_name: str, y_name: str) -> list[Markup]:
    """Return the names: of the y axis above it, none where the panel's heading says it; of the x axis below it."""
    return [
        *([text(2, frame.top - 10, y_name)] if y_name else []),
        text((frame.left + frame.right) / 2, frame.bottom + 32, x_name, anchor="middle", class_="t q"),
    ]
