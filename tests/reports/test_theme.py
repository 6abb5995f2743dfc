"""Words and marks stand out from what is behind them, to all eyes."""

import itertools
import re

import numpy as np
import pytest

from kerasae.reports.charts import DARK, LIGHT, LOOKS, MARKS, SHADES, TEXT, theme_css

THEMES = {"light": LIGHT, "dark": DARK}


def linear(colour):
    """Return linear RGB of a hexadecimal colour, as WCAG 2.2 defines it."""
    values = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def contrast(one, other):
    bright, dark = sorted((float(linear(colour) @ (0.2126, 0.7152, 0.0722)) for colour in (one, other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_contrast_is_computed_as_defined():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)  # WebAIM's well-known near miss


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("behind", ["paper", "surface"])
def test_words_have_the_contrast_of_level_aa(theme, behind):
    colours = THEMES[theme]
    for name in TEXT:
        assert contrast(colours[name], colours[behind]) >= 4.5, name
    for name in SHADES:
        assert contrast(colours["ink"], colours[name]) >= 4.5, name


@pytest.mark.parametrize("theme", THEMES)
def test_marks_have_the_contrast_of_graphics(theme):
    colours = THEMES[theme]
    for name in MARKS:
        assert contrast(colours[name], colours["paper"]) >= 3, name


# Viénot, Brettel and Mollon 1999, "Digital video colourmaps for checking the legibility of displays by dichromats",
# in linear RGB of a modern screen: what protanopes and deuteranopes see.
_SIMULATED = {
    "all cones": np.eye(3),
    "protanopia": np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]]),
    "deuteranopia": np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]]),
}


def lab(rgb):
    xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ np.clip(rgb, 0, 1)
    t = xyz / (0.9505, 1.0, 1.089)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("eyes", _SIMULATED)
def test_the_first_four_lines_differ_in_colour_to_dichromats(theme, eyes):
    seen = [lab(_SIMULATED[eyes] @ linear(THEMES[theme][f"s{look}"])) for look in range(1, 5)]
    for one, other in itertools.combinations(seen, 2):
        assert np.linalg.norm(one - other) > 10


def test_both_themes_set_the_same_properties():
    assert LIGHT.keys() == DARK.keys()
    css = theme_css()
    assert css.count("--paper:#ffffff") == 2  # on screen and on paper
    assert css.count(f"--paper:{DARK['paper']}") == 2  # by the system and by choice
    assert css.count("color-scheme:dark;") == 2


def test_every_property_used_is_set_and_every_look_has_a_stroke():
    from importlib.resources import files

    style = (files("kerasae.reports") / "templates" / "page.css").read_text(encoding="utf-8")
    assert set(re.findall(r"var\(--([a-z0-9]+)\)", style)) <= set(LIGHT)
    strokes = [re.search(rf"\.l{look}\{{([^}}]*)\}}", style)[1] for look in range(LOOKS + 1)]
    dashes = [re.search(r"stroke-dasharray:([\d. ]+)", stroke) for stroke in strokes]
    assert len({dash and dash[1] for dash in dashes}) == LOOKS + 1
