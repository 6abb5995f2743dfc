"""A chart is described once: marks stand where the numbers are, as SVG and with matplotlib alike."""

import math
import re

import numpy as np
import pytest

from kerasae.reports import figures, svg
from kerasae.reports.charts import (
    Axis,
    Chart,
    Effect,
    Figure,
    Forest,
    Line,
    Mark,
    Panel,
    Scale,
    bins,
    spanning,
    tick_label,
)
from kerasae.reports.curves import loss_figure, noise_figure, rate_figure, reference_scores, series_of_scores
from kerasae.reports.pictures import HEAT_LEVELS, amplification, heat_palette, worst_region
from kerasae.reports.wording import measured_metrics
from tests.reports.made_up import sweep
from tests.reports.made_up_report import HOSTILE, history, rate_content
from tests.reports.parsed import Parsed


def points(d):
    return [tuple(map(float, pair.split())) for pair in re.findall(r"(-?[\d.]+ -?[\d.]+)", d)]


def drawn(chart, class_, **more):
    parsed = Parsed(svg.draw(chart, "c", **more))
    return [points(one.attributes["d"]) for one in parsed.all("path") if one.attributes["class"].startswith(class_)]


def about(places):
    return [pytest.approx(place, abs=0.006) for place in places]


FIGURES = {
    "loss": loss_figure(history(40, 1), 30),
    "noise": noise_figure(measured_metrics(sweep()), series_of_scores(sweep()), reference_scores(sweep())),
    "rate": rate_figure(rate_content().points, "photos"),
}


@pytest.mark.parametrize("name", FIGURES)
def test_the_page_and_the_file_draw_the_same_lines(name):
    figure = FIGURES[name]
    shown = figures.draw(figure, "title").axes
    assert [axes.get_title(loc="left").strip() for axes in shown] == [panel.title for panel in figure.panels]
    for axes, panel in zip(shown, figure.panels, strict=True):
        chart = panel.chart
        x, y, _ = svg.frame_of(chart)
        expected = [[(x(a), y(b)) for a, b in line.points] for line in chart.lines]
        assert [about(line) for line in expected] == drawn(chart, "line")
        lines = [line for line in axes.lines if not line.get_label().startswith("_")]
        assert [line.get_label() for line in lines] == [line.label for line in chart.lines]
        for line, description in zip(lines, chart.lines, strict=True):
            np.testing.assert_allclose(line.get_xydata(), description.points)
            assert line.get_color() == figures.colour_of(description.look)
        for axis, scale, own in ((axes.xaxis, x.scale, chart.x), (axes.yaxis, y.scale, chart.y)):
            assert axis.get_scale() == ("log" if scale.log else "linear")
            assert axis.get_view_interval() == pytest.approx((scale.low, scale.high))
            assert axis.get_label_text() == own.name
        texts = [one.text for one in Parsed(svg.draw(chart, "c")).all("text")]
        assert {tick.get_text() for tick in axes.get_xticklabels()} == set(map(tick_label, chart.x.places(x.scale, 5)))
        assert {*map(tick_label, chart.x.places(x.scale, 5)), chart.x.name} <= set(texts)


def test_scales_map_ends_and_middles():
    straight, log = Scale(0, 10), Scale(0.01, 1, log=True)
    assert [straight(value) for value in (0, 2.5, 10)] == [0, 0.25, 1]
    assert [log(value) for value in (0.01, 0.1, 1)] == pytest.approx([0, 0.5, 1])
    assert svg.Along(straight, 300, 100)(2.5) == 250


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.2, 0.4), (19.99, 20.03), (0, 1250), (1e-6, 3e-6)])
def test_ticks_are_round_within_and_evenly_spaced(low, high):
    ticks = Scale(low, high).ticks(5)
    assert 2 <= len(ticks) <= 7
    assert low <= min(ticks)
    assert max(ticks) <= high
    steps = np.diff(ticks)
    assert steps == pytest.approx([steps[0]] * len(steps))
    mantissa = steps[0] / 10 ** math.floor(math.log10(steps[0]) + 1e-9)
    assert min(abs(mantissa - good) for good in (1, 2, 2.5, 5, 10)) < 1e-6


@pytest.mark.parametrize(("low", "high"), [(0.1, 2.4), (1e-5, 1.0), (0.0042, 0.06), (0.3, 0.32), (1e-9, 1e9)])
def test_logarithmic_ticks_are_few_and_within(low, high):
    ticks = Scale(low, high, log=True).ticks(5)
    assert 2 <= len(ticks) <= 7
    assert all(low * 0.99 <= tick <= high * 1.01 for tick in ticks)


def test_a_scale_of_equal_or_missing_values_still_has_width():
    for values in ([3.0, 3.0], [0.0], [math.nan], []):
        scale = spanning(values)
        assert scale.low < scale.high
        assert scale.ticks(4)
    assert spanning([2.0, 2.0], log=True)(2.0) == pytest.approx(0.5)


def test_ticks_that_were_set_do_not_run_into_each_other():
    assert Axis(ticks=(0, 0.01, 0.1, 0.5)).places(Scale(0, 1), 5) == [0, 0.1, 0.5]
    assert Axis(whole=True).places(Scale(0, 2), 5) == [0, 1, 2]


def test_lines_and_bands_pass_through_their_points():
    line = Line("a", 1, [(0, 20.0), (0.1, 24.0), (0.3, 22.0)], [(19, 21), (23, 25), (21.5, 22.5)])
    chart = Chart("title", "gist", Axis("x"), Axis("y"), [line])
    x, y, frame = svg.frame_of(chart)
    expected = [(x(a), y(b)) for a, b in line.points]
    assert y(24.0) < y(20.0), "larger values stand higher"
    # Closed form: 19 to 25 with 5 % of that at either end fill the frame.
    assert y(24.0) == pytest.approx(frame.bottom - (24 - 18.7) / 6.6 * (frame.bottom - frame.top))
    [band] = drawn(chart, "band")
    assert [place[1] for place in band] == [pytest.approx(y(end), abs=0.006) for end in (19, 23, 21.5, 22.5, 25, 21)]
    dots = [one.attributes for one in Parsed(svg.draw(chart, "c")).all("circle")]
    assert [(float(dot["cx"]), float(dot["cy"])) for dot in dots] == about(expected)


def test_points_that_are_not_finite_interrupt_a_line():
    line = Line("a", 2, [(1, 1.0), (2, 2.0), (3, math.nan), (4, 1.0), (5, 2.0), (6, math.inf), (7, 3.0)], symbols=False)
    chart = Chart("t", "d", Axis("x"), Axis("y"), [line])
    assert [len(stroke) for stroke in drawn(chart, "line")] == [2, 2]
    assert len(drawn(chart, "dot")) == 1


def test_a_shared_scale_cuts_what_leaves_it():
    chart = Chart("t", "d", Axis("x"), Axis("y", span=(0.0, 10.0)), [Line("a", 1, [(0, 0.0), (1, 100.0)])])
    parsed = Parsed(svg.draw(chart, "c"))
    group = next(one for one in parsed.all("g") if "clip-path" in one.attributes)
    assert group.attributes["clip-path"] == f"url(#{parsed.all('clippath')[0].attributes['id']})"


def test_the_legend_has_each_label_once_and_the_reference_last():
    lines = [Line("nothing", 0, [(0, 1)]), Line("b", 2, [(0, 1)]), Line("a", 1, [(0, 1)]), Line("b", 2, [(1, 1)])]
    panels = [Panel("p", Chart("t", "d", Axis(), Axis(), part)) for part in (lines[:2], lines[2:])]
    assert [line.label for line in Figure("f", "", panels).legend] == ["b", "a", "nothing"]


def test_effects_stand_at_their_numbers_in_the_order_given():
    effects = [
        Effect("small", 0.1, -0.1, 0.3, "none", "w"),
        Effect("large", -2.0, -2.5, -1.5, "lower", "w"),
        Effect("some", 1.0, 0.5, 1.5, "higher", "w"),
    ]
    chart = Parsed(svg.draw(Forest("t", "d", [("where", effects)], (-2.5, 1.5), "dB"), "f"))
    assert [one.text for one in chart.all("text") if one.attributes["x"] == "10"] == ["small", "large", "some"]
    low, high = -2.5 - 0.06 * 4, 1.5 + 0.06 * 4  # from 92 to 232
    lines = [one for one in chart.all("line") if "effect" in one.attributes["class"]]
    for line, effect in zip(lines, effects, strict=True):
        for key, value in (("x1", effect.low), ("x2", effect.high)):
            assert float(line.attributes[key]) == pytest.approx(92 + (value - low) / (high - low) * 140, abs=0.006)
    zero = next(one for one in chart.all("line") if one.attributes["class"] == "zero")
    assert float(zero.attributes["x1"]) == pytest.approx(92 - low / (high - low) * 140, abs=0.006)


def test_bars_hold_every_image_and_marks_stand_at_their_values():
    values = np.random.default_rng(0).normal(20, 2, 500)
    counts, edges = bins(values)
    assert counts.sum() == 500
    assert (edges[0], edges[-1]) == (values.min(), values.max())
    assert bins(np.full(7, 0.25))[0].tolist() == [7]
    marks = [Mark(values.mean(), "mean"), Mark(20.0, "median", "half")]
    chart = Chart("t", "d", Axis("PSNR, dB", span=(10, 30)), Axis("images"), (), edges, counts, (18, 22), marks)
    [bars], [mean], [median] = (drawn(chart, name, small=True) for name in ("bars", "mean", "median"))
    for line, value in ((mean, values.mean()), (median, 20.0)):
        share = (line[0][0] - bars[0][0]) / (bars[-1][0] - bars[0][0])
        assert share == pytest.approx((value - edges[0]) / (edges[-1] - edges[0]), abs=1e-3)
    heights = [bars[0][1] - y for _, y in bars[1:-1:2]]
    assert heights == pytest.approx(counts / counts.max() * max(heights), abs=0.02)
    assert "half" in [one.text for one in Parsed(svg.draw(chart, "c")).all("text")]


def test_words_are_escaped_and_numbers_short():
    assert Parsed(svg.text(1, 2, HOSTILE)).elements[0].text == HOSTILE
    assert Parsed(svg.element("line", class_=HOSTILE)).elements[0].attributes["class"] == HOSTILE
    assert [svg.number(value) for value in (1.0, -0.001, 1.234567, -12.5, 100)] == ["1", "0", "1.23", "-12.5", "100"]
    assert [tick_label(value) for value in (-0.5, 0, 1e-7, 20)] == ["−0.5", "0", "1e−7", "20"]


def test_thinning_keeps_the_ends_and_the_lowest():
    line = [(float(epoch), 1.0 if epoch != 777 else 0.1) for epoch in range(1, 1001)]
    kept = svg.thinned(line, 50)
    assert len(kept) <= 50
    assert {line[0], line[-1], line[776]} <= set(kept)
    assert kept == sorted(kept)
    assert svg.thinned(line[:50], 50) == line[:50]


def test_the_worst_region_is_where_the_error_is():
    original = np.full((128, 96, 1), 100, "uint8")
    broken = original.copy()
    broken[70:90, 40:60] = 160
    broken[5, 5] = 255  # a single pixel, however wrong, is less than a region
    rows, columns = worst_region(original, broken)
    assert (rows.stop - rows.start, columns.stop - columns.start) == (32, 32)
    assert rows.start <= 70 < 90 <= rows.stop
    assert columns.start <= 40 < 60 <= columns.stop
    assert worst_region(original[:8, :8], broken[:8, :8]) == (slice(0, 8), slice(0, 8))


def test_errors_are_amplified_as_far_as_they_fit():
    assert [amplification([np.full((4, 4), error)]) for error in (0.04, 0.9, 0.0)] == [20, 1, 100]


def test_heat_reads_without_colour():
    palette = heat_palette() / 255
    linear = np.where(palette <= 0.04045, palette / 12.92, ((palette + 0.055) / 1.055) ** 2.4)
    assert len(palette) == HEAT_LEVELS
    assert (np.diff(linear @ (0.2126, 0.7152, 0.0722)) > 0).all()
