"""A point's shape, so that colour is never the only difference."""

from markupsafe import Markup

from kerasae.reports.page.charts.svg import element, number

# Relative to the point, about as heavy as one another.
_SHAPES = (
    (),
    (),  # 1 is a circle
    ((-3.2, -3.2), (3.2, -3.2), (3.2, 3.2), (-3.2, 3.2)),
    ((0, -4.4), (4.1, 3), (-4.1, 3)),
    ((0, -4.7), (4.7, 0), (0, 4.7), (-4.7, 0)),
    ((0, 4.4), (4.1, -3), (-4.1, -3)),
    ((-1.4, -4), (1.4, -4), (1.4, -1.4), (4, -1.4), (4, 1.4), (1.4, 1.4), (1.4, 4), (-1.4, 4), (-1.4, 1.4), (-4, 1.4),
     (-4, -1.4), (-1.4, -1.4)),
    ((-4.4, -1.6), (4.4, -1.6), (4.4, 1.6), (-4.4, 1.6)),
)  # fmt: skip


def symbol(look: int, x: float, y: float, class_: str = "") -> Markup:
    """Return the shape of ``look`` at (x, y); 0 and 1 are circles, 0 the smaller."""
    class_ = class_ or f"dot f{look}"
    if not _SHAPES[look]:
        return element("circle", cx=float(x), cy=float(y), r=3.4 if look else 2.2, class_=class_)
    corners = "L".join(f"{number(x + dx)} {number(y + dy)}" for dx, dy in _SHAPES[look])
    return element("path", d=f"M{corners}Z", class_=class_)


def swatch(look: int, *, thin: bool = False) -> Markup:
    """Return a piece of line with its symbol, for a legend; a screen reader gets the words beside it only."""
    weight = " thin" if thin else ""
    return element(
        "svg",
        element("line", x1=1, x2=33, y1=7, y2=7, class_=f"line l{look}{weight}"),
        *([] if thin else [symbol(look, 17, 7)]),
        viewBox="0 0 34 14",
        class_="swatch",
        aria_hidden="true",
        focusable="false",
    )
