"""SVG elements with everything escaped."""

from collections.abc import Iterable

from markupsafe import Markup, escape


def number(value: float) -> str:
    """Return a coordinate with at most two decimals."""
    short = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def element(name: str, *children: str | Markup, **attributes: object) -> Markup:
    """Return an element; ``class_`` stands for ``class``, other underscores for hyphens; None leaves one out.

    Children that are not ``Markup`` are escaped, and attributes always.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(number(value) if isinstance(value, float) else value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def path(points: Iterable[tuple[float, float]], **attributes: object) -> Markup:
    """Return a line through ``points``."""
    return element("path", d="M" + "L".join(f"{number(x)} {number(y)}" for x, y in points), **attributes)


def text(x: float, y: float, words: str, *, anchor: str = "start", class_: str = "t") -> Markup:
    """Return ``words`` on the line ``y``."""
    return element(
        "text", words, x=float(x), y=float(y), text_anchor=None if anchor == "start" else anchor, class_=class_
    )


def drawing(ident: str, width: float, height: float, title: str, description: str, marks: Iterable[Markup]) -> Markup:
    """Return the whole picture, which a screen reader announces by ``title`` and ``description``."""
    return element(
        "svg",
        element("title", title, id=f"{ident}-t"),
        element("desc", description, id=f"{ident}-d"),
        *marks,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        aria_labelledby=f"{ident}-t {ident}-d",
        class_="chart",
    )
