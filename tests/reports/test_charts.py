"""Marks stand where the numbers are."""

import math
import re

import numpy as np
import pytest

from kerasae.reports.pictures import HEAT_LEVELS, heat_palette, worst_region
from kerasae.reports.sections.images import amplification
from kerasae.reports.sections.training import thinned
from kerasae.reports.svg import (
    LEFT,
    RIGHT,
    Axes,
    Effect,
    Line,
    Scale,
    bins,
    element,
    forest,
    histogram,
    line_chart,
    number,
    scales,
    sorted_bars,
    spanning,
    text,
    tick_label,
)
from tests.reports.made_up_report import HOSTILE
from tests.reports.parsed import Parsed


def points(d):
    return [tuple(map(float, pair.split())) for pair in re.findall(r"(-?[\d.]+ -?[\d.]+)", d)]


def test_scales_map_ends_and_middles():
    straight, log = Scale(0, 10, 100, 300), Scale(0.01, 1, 300, 100, log=True)
    assert [straight(value) for value in (0, 2.5, 10)] == [100, 150, 300]
    assert [log(value) for value in (0.01, 0.1, 1)] == pytest.approx([300, 200, 100])


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 0.4), (19.99, 20.03), (0, 1250), (1e-6, 3e-6)])
def test_ticks_are_round_within_and_evenly_spaced(low, high):
    ticks = Scale(low, high, 0, 1).ticks(5)
    assert 2 <= len(ticks) <= 7
    assert low <= min(ticks)
    assert max(ticks) <= high
    steps = np.diff(ticks)
    assert steps == pytest.approx([steps[0]] * len(steps))
    mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - good) for good in (1, 2, 2.5, 5, 10)) < 1e-6


@pytest.mark.parametrize(("low", "high"), [(0.1, 2.4), (1e-5, 1.0), (0.0042, 0.06), (0.3, 0.32), (1e-9, 1e9)])
def test_logarithmic_ticks_are_few_and_within(low, high):
    ticks = Scale(low, high, 0, 1, log=True).ticks(5)
    assert 2 <= len(ticks) <= 7
    assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)


def test_a_scale_of_equal_or_missing_values_still_has_width():
    for values in ([3.0, 3.0], [0.0], [math.nan], []):
        scale = spanning(values, 0, 100)
        assert scale.low < scale.high
        assert scale.ticks(4)
    assert spanning([2.0, 2.0], 0, 100, log=True)(2.0) == pytest.approx(50)


def test_lines_and_bands_pass_through_their_points():
    line = Line("a", 1, [(0, 20.0), (0.1, 24.0), (0.3, 22.0)], [(19, 21), (23, 25), (21.5, 22.5)])
    axes = Axes("x", "y")
    x, y, frame = scales([line], axes, 236.0)
    chart = Parsed(line_chart("c", "title", "gist", [line], axes))
    drawn = next(one for one in chart.all("path") if one.attributes["class"] == "line l1")
    expected = [(x(a), y(b)) for a, b in line.points]
    assert points(drawn.attributes["d"]) == [pytest.approx(pair, abs=0.006) for pair in expected]
    assert y(24.0) < y(20.0), "larger values stand higher"
    # Closed form: 19 to 25 with 5 % of that at either end fill the frame.
    assert y(24.0) == pytest.approx(frame.bottom - (24 - 18.7) / 6.6 * (frame.bottom - frame.top))
    band = points(next(one for one in chart.all("path") if "band" in one.attributes["class"]).attributes["d"])
    assert [place[1] for place in band] == [pytest.approx(y(end), abs=0.006) for end in (19, 23, 21.5, 22.5, 25, 21)]
    dots = chart.all("circle")
    assert [(float(dot.attributes["cx"]), float(dot.attributes["cy"])) for dot in dots] == [
        pytest.approx(pair, abs=0.006) for pair in expected
    ]


def test_points_that_are_not_finite_interrupt_a_line():
    line = Line("a", 2, [(1, 1.0), (2, 2.0), (3, math.nan), (4, 1.0), (5, 2.0), (6, math.inf), (7, 3.0)], symbols=False)
    chart = Parsed(line_chart("c", "t", "d", [line], Axes("x", "y")))
    strokes = [one for one in chart.all("path") if one.attributes["class"].startswith("line")]
    assert [len(points(one.attributes["d"])) for one in strokes] == [2, 2]
    assert len([one for one in chart.all("path") if one.attributes["class"].startswith("dot")]) == 1


def test_a_shared_scale_cuts_what_leaves_it():
    line = Line("a", 1, [(0, 0.0), (1, 100.0)])
    chart = Parsed(line_chart("c", "t", "d", [line], Axes("x", "y", y_span=(0.0, 10.0))))
    group = next(one for one in chart.all("g") if "clip-path" in one.attributes)
    assert group.attributes["clip-path"] == f"url(#{chart.all('clippath')[0].attributes['id']})"


def test_effects_stand_at_their_numbers_in_the_order_given():
    effects = [
        Effect("small", 0.1, -0.1, 0.3, "none", "w"),
        Effect("large", -2.0, -2.5, -1.5, "lower", "w"),
        Effect("some", 1.0, 0.5, 1.5, "higher", "w"),
    ]
    chart = Parsed(forest("f", "t", "d", [("where", effects)], span=(-2.5, 1.5), unit="dB"))
    labels = [one.text for one in chart.all("text") if one.attributes["x"] == "10"]
    assert labels == ["small", "large", "some"]
    low, high = -2.5 - 0.06 * 4, 1.5 + 0.06 * 4
    lines = [one for one in chart.all("line") if "effect" in one.attributes["class"]]
    for line, effect in zip(lines, effects, strict=True):
        for key, value in (("x1", effect.low), ("x2", effect.high)):
            place = LEFT + (value - low) / (high - low) * (RIGHT - LEFT)
            assert float(line.attributes[key]) == pytest.approx(place, abs=0.006)
    zero = next(one for one in chart.all("line") if one.attributes["class"] == "zero")
    assert float(zero.attributes["x1"]) == pytest.approx(LEFT + -low / (high - low) * (RIGHT - LEFT), abs=0.006)


def test_bars_of_a_histogram_hold_every_image():
    values = np.random.default_rng(0).normal(20, 2, 500)
    counts, edges = bins(values)
    assert counts.sum() == 500
    assert (edges[0], edges[-1]) == (values.min(), values.max())
    assert bins(np.full(7, 0.25))[0].tolist() == [7]
    chart = Parsed(histogram("h", "t", "d", values, "PSNR, dB", (10.0, 30.0)))
    mean, median = (
        points(next(one for one in chart.all("path") if one.attributes["class"] == name).attributes["d"])[0][0]
        for name in ("mean", "median")
    )
    bars = points(next(one for one in chart.all("path") if one.attributes["class"] == "bars").attributes["d"])
    left, right = bars[0][0], bars[-1][0]
    for place, value in ((mean, values.mean()), (median, np.median(values))):
        assert (place - left) / (right - left) == pytest.approx((value - edges[0]) / (edges[-1] - edges[0]), abs=1e-3)
    heights = [bars[0][1] - y for _, y in bars[1:-1:2]]
    assert heights == pytest.approx(counts / counts.max() * max(heights), abs=0.02)


def test_amounts_are_drawn_from_the_largest_down():
    chart = Parsed(sorted_bars("b", "t", "d", [0.5, 2.0, 1.0], names=("x", "y"), marked=2, mark="2 active"))
    bars = points(chart.all("path")[0].attributes["d"])
    heights = [bars[0][1] - y for _, y in bars[1:-1:2]]
    assert heights == pytest.approx([max(heights), max(heights) / 2, max(heights) / 4], abs=0.01)
    line = next(one for one in chart.all("line") if one.attributes["class"] == "median")
    assert float(line.attributes["x1"]) == pytest.approx(bars[5][0], abs=0.01)


def test_words_are_escaped_and_numbers_short():
    assert Parsed(text(1, 2, HOSTILE)).elements[0].text == HOSTILE
    assert Parsed(element("line", class_=HOSTILE)).elements[0].attributes["class"] == HOSTILE
    assert [number(value) for value in (1.0, -0.001, 1.234567, -12.5, 100)] == ["1", "0", "1.23", "-12.5", "100"]
    assert [tick_label(value) for value in (-0.5, 0, 1e-7, 20)] == ["−0.5", "0", "1e−7", "20"]


def test_thinning_keeps_the_ends_and_the_lowest():
    line = [(float(epoch), 1.0 if epoch != 777 else 0.1) for epoch in range(1, 1001)]
    kept = thinned(line, 50)
    assert len(kept) <= 50
    assert {line[0], line[-1], line[776]} <= set(kept)
    assert kept == sorted(kept)
    assert thinned(line[:50], 50) == line[:50]


def test_the_worst_region_is_where_the_error_is():
    original = np.full((128, 96, 1), 100, "uint8")
    broken = original.copy()
    broken[70:90, 40:60] = 160
    broken[5, 5] = 255  # a single pixel, however wrong, is less than a region
    rows, columns = worst_region(original, broken)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (32, 32)
    assert rows.start <= 70
    assert rows.stop >= 90
    assert columns.start <= 40
    assert columns.stop >= 60
    assert worst_region(original[:8, :8], broken[:8, :8]) == (slice(0, 8), slice(0, 8))


def test_errors_are_amplified_as_far_as_they_fit():
    assert amplification([np.full((4, 4), 0.04)]) == 20
    assert amplification([np.full((4, 4), 0.9)]) == 1
    assert amplification([np.zeros((4, 4))]) == 100


def test_heat_reads_without_colour():
    palette = heat_palette() / 255
    luminance = np.where(palette <= 0.04045, palette / 12.92, ((palette + 0.055) / 1.055) ** 2.4) @ (
        0.2126,
        0.7152,
        0.0722,
    )
    assert len(palette) == HEAT_LEVELS
    assert (np.diff(luminance) > 0).all()
