"""The colours of the page and of figures, light and dark."""

# Text colours have a contrast of 4.5 and more against ``paper`` and ``surface``, marks of 3 and more (WCAG 2.2, AA);
# a test computes them. The hues of s1 to s7 follow Okabe and Ito 2008, darkened or lightened to reach that.
LIGHT = {
    "paper": "#ffffff",
    "surface": "#f5f6f8",
    "ink": "#1b2026",
    "quiet": "#57606a",
    "rule": "#d9dee3",
    "grid": "#e9ecef",
    "link": "#005a8f",
    "focus": "#0a6cc4",
    "unranked": "#7b838c",
    "s1": "#0072b2",
    "s2": "#c95300",
    "s3": "#00845f",
    "s4": "#b4508a",
    "s5": "#8a6a00",
    "s6": "#5a4fcf",
    "s7": "#3b4149",
    "shade1": "#f3f7fb",
    "shade2": "#dcebf6",
    "shade3": "#c3dcf0",
    "shade4": "#a7cde9",
    "shade5": "#8bbde2",
}
DARK = {
    "paper": "#14181d",
    "surface": "#1c2228",
    "ink": "#e8ebee",
    "quiet": "#a3adb8",
    "rule": "#343c45",
    "grid": "#272e35",
    "link": "#7cc0f0",
    "focus": "#8ccbff",
    "unranked": "#8b959f",
    "s1": "#58aeea",
    "s2": "#f28a4b",
    "s3": "#2dbd90",
    "s4": "#e591c1",
    "s5": "#e2c15c",
    "s6": "#a79df5",
    "s7": "#d3d8dd",
    "shade1": "#18222b",
    "shade2": "#1b2f3e",
    "shade3": "#1f3d53",
    "shade4": "#234b68",
    "shade5": "#285a7e",
}
TEXT = ("ink", "quiet", "link")
MARKS = ("unranked", "focus", *(f"s{number}" for number in range(1, 8)))
SHADES = tuple(f"shade{number}" for number in range(1, 6))
LOOKS = 7


def theme_css() -> str:
    """Return the custom properties: light; dark where the system or the reader asks for it; light on paper."""
    light, dark = (
        "".join(f"--{name}:{value};" for name, value in colours.items()) + f"color-scheme:{scheme};"
        for scheme, colours in (("light", LIGHT), ("dark", DARK))
    )
    return (
        f":root{{{light}}}\n"
        f"@media (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n"
        f":root[data-theme=dark]{{{dark}}}\n"
        f"@media print{{:root,:root[data-theme=dark],:root:not([data-theme=light]){{{light}}}}}\n"
    )
