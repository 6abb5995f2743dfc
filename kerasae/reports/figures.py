"""Figures as PNG files, drawn with matplotlib."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.files import replacing
from kerasae.metrics.registry import METRICS
from kerasae.records import RatePoint, RunComparison, Score
from kerasae.reports.charts import LIGHT, Chart, Figure, Forest, Line, Mark, histogram, spanning, tick_label
from kerasae.reports.curves import (
    History,
    loss_figure,
    noise_figure,
    rate_figure,
    reference_scores,
    run_comparison_figure,
    series_of_scores,
)
from kerasae.reports.score_tables import letters
from kerasae.reports.wording import measured_metrics

INK, QUIET = LIGHT["ink"], LIGHT["quiet"]
DPI = 150


def loss_curves(history: History, path: Path, title: str, *, best_epoch: int | None = None) -> None:
    """Write the loss terms and the validation error over epochs; arguments as of ``curves.loss_figure``."""
    write(draw(loss_figure(history, best_epoch), title), path)


def metric_histograms(per_image: Mapping[str, np.ndarray], path: Path, title: str) -> None:
    """Write a histogram for each metric of ``per_image``, each finite ``(images,)``, with its numbers."""
    panels = [
        histogram(about.heading, name, np.asarray(per_image[name], "float64"), about.heading)
        for name, about in METRICS.items()
        if name in per_image
    ]
    count = len(next(iter(per_image.values())))
    write(draw(Figure("spread", "", panels), f"{title}, {count:,} image{'s' * (count != 1)}"), path)


def noise_sweep(path: Path, scores: Sequence[Score], title: str) -> None:
    """Write every metric against sigma, a line per run and way of decoding and one for doing nothing."""
    metrics = measured_metrics(scores) or ["psnr"]
    write(draw(noise_figure(metrics, series_of_scores(scores), reference_scores(scores)), title), path)


def rate_distortion(path: Path, points: Sequence[RatePoint], title: str) -> None:
    """Write quality against bits per pixel, a line per codec with its name, models thicker than classical codecs."""
    write(draw(rate_figure(points, title), title), path)


def run_comparison(path: Path, comparison: RunComparison) -> None:
    """Write each metric's means and its differences from the first run, a row per run, split and noise."""
    names = zip(letters(comparison), comparison.runs, strict=True)
    title = "\n".join(f"{letter}  {name}" for letter, name in names)
    write(draw(run_comparison_figure(comparison), title), path)


def draw(figure: Figure, title: str) -> Any:
    """Return ``figure`` as a matplotlib ``Figure`` with ``title`` at its upper left."""
    panels = figure.panels
    wide = figure.names_at_ends and len(panels) <= 2
    width, height = (4.8, 4.2) if wide else (3.2, 3.1) if figure.names_at_ends else (3.3, 2.8)
    across = len(panels) if figure.names_at_ends else {0: 1, 1: 1, 2: 2, 4: 2}.get(len(panels), 3)
    down = max(1, -(-len(panels) // across))
    names = [line.label for line in figure.legend] if figure.names_at_ends else []
    # Names stand once, beside the last panel; colours carry them over to the others. One takes 0.16 inches of height.
    margin = 0.075 * max(map(len, names)) + 0.35 if names else 0.0
    forests = [one.chart for one in panels if isinstance(one.chart, Forest)]
    rows = max((sum(1 + len(effects) for _, effects in one.groups) for one in forests), default=0)
    height = max(max(height, 0.2 * rows + 0.9) * down + 0.4, 0.16 * len(names) + 1.2)
    drawn = new_figure(width * across + margin + 0.2, height, title)
    drawn.get_layout_engine().set(rect=(0, 0, 1 - margin / drawn.get_figwidth(), 1))
    axes = drawn.subplots(down, across, squeeze=False).ravel()
    for place, one in enumerate(axes):
        if place < len(forests):
            _draw_forest(one, panels[place].title, panels[place].chart)
        elif place < len(panels):
            note = _parts(panels[place].note, panels[place].chart, names)
            _draw_chart(one, panels[place].title, panels[place].chart, note)
        else:
            one.remove()
    if names:
        drawn.draw_without_rendering()  # settles the layout, which the places of the names depend on
        _name_ends(axes[len(panels) - 1], panels[-1].chart.lines)
    return drawn


def new_figure(width: float, height: float, title: str) -> Any:
    """Return a matplotlib ``Figure`` of so many inches with its title at the upper left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Drawn

    figure = Drawn(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    # The name of a run may hold a dollar sign, which would start mathematics.
    figure.suptitle(title, x=0.012, ha="left", fontsize=11.5, fontweight="bold", color=INK, parse_math=False)
    return figure


def write(figure: Any, path: Path) -> None:
    """Write ``figure`` as a PNG under ``path``, atomically."""
    with replacing(Path(path)) as partial:
        figure.savefig(partial, format="png")


def colour_of(look: int) -> str:
    """Return the colour of a line on white."""
    return LIGHT[f"s{look}"] if look else QUIET


def _parts(note: str, chart: Chart, names: list[str]) -> list[tuple[str, str]]:
    """Return the words above a panel and their colours: its numbers, or the names of its lines."""
    if note:
        return list(zip(note.split(", "), (INK, colour_of(2), colour_of(1)), strict=True))
    return [] if names else [(line.label, colour_of(line.look)) for line in chart.lines]


def _draw_chart(axes: Any, title: str, chart: Chart, parts: list[tuple[str, str]]) -> None:
    axes.set_title(f"{title}\n" if parts else title, loc="left", fontsize=9.5, color=INK, parse_math=False)
    if parts:
        _coloured_words(axes, parts)
    _draw_axes(axes, chart)
    if chart.shade:
        axes.axvspan(*chart.shade, color=colour_of(1), alpha=0.09, linewidth=0)
    if len(chart.heights):
        blue = colour_of(1)
        axes.stairs(chart.heights, chart.edges, fill=True, color=blue, alpha=0.34, linewidth=0)
        axes.stairs(chart.heights, chart.edges, color=blue, linewidth=0.8)
    for line in chart.lines:
        _draw_line(axes, line)
    for mark in chart.marks:
        _draw_mark(axes, mark, chart)


# As on the page: what differs has a colour and a shape of its own.
_EFFECTS = {"higher": (1, "^"), "lower": (2, "v")}


def _draw_forest(axes: Any, title: str, forest: Forest) -> None:
    """Draw a row for each effect, its label at the left and its words at the right, beneath the name of its group."""
    axes.set_title(title, loc="left", fontsize=9.5, color=INK, parse_math=False)
    labels: list[str] = []
    for heading, effects in forest.groups:
        labels.append(heading)
        for effect in effects:
            place = len(labels)
            labels.append(effect.label)
            look, marker = _EFFECTS.get(effect.verdict, (0, "D"))
            colour = colour_of(look)
            axes.plot([effect.low, effect.high], [place, place], color=colour, linewidth=1.4)
            axes.plot([effect.difference], [place], color=colour, marker=marker, markersize=4.5, linestyle="")
            beside = {"xycoords": ("axes fraction", "data"), "va": "center", "fontsize": 8, "color": INK}
            axes.annotate(effect.words, (1.02, place), annotation_clip=False, **beside)
    scale = spanning(forest.span)
    if scale.low <= 0 <= scale.high:
        axes.axvline(0, color=QUIET, linewidth=0.8)
    axes.set_xlim(scale.low, scale.high)
    ticks = scale.ticks(4)
    axes.set_xticks(ticks, labels=[tick_label(tick) for tick in ticks])
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.set_yticks(range(len(labels)), labels=labels)
    axes.set_xlabel(forest.unit, color=QUIET, fontsize=9)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.tick_params(length=0, labelsize=8, colors=INK)


def _draw_axes(axes: Any, chart: Chart) -> None:
    """Set scales, ticks and names; no frame but a thin line below, and a light grid behind the data."""
    for axis, about, scale, count in ((axes.xaxis, chart.x, chart.x_scale, 5), (axes.yaxis, chart.y, chart.y_scale, 6)):
        axis.set_label_text(about.name, color=QUIET, fontsize=9)
        getattr(axes, f"set_{axis.axis_name}scale")("log" if scale.log else "linear")
        getattr(axes, f"set_{axis.axis_name}lim")(scale.low, scale.high)
        ticks = about.places(scale, count)
        axis.set_ticks(ticks, labels=[tick_label(tick) for tick in ticks])
        axis.set_ticks([], minor=True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.grid(True, axis="y", color=LIGHT["grid"], linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=8.5, colors=QUIET)
    axes.tick_params(axis="x", length=3)


def _draw_line(axes: Any, line: Line) -> None:
    xs, ys = (np.array(values, "float64") for values in zip(*line.points, strict=True))
    quiet = not line.look or (line.weight == "thin" and not line.symbols)
    axes.plot(
        xs,
        ys,
        color=colour_of(line.look),
        label=line.label,
        linewidth={"thin": 1.3, "thick": 2.2}.get(line.weight, 1.7 if line.look else 1.3),
        linestyle=(0, (4, 2)) if quiet else "-",
        marker="o" if line.symbols or len(xs) == 1 else "",
        markersize={"thin": 2.5, "thick": 4}.get(line.weight, 3.5),
    )
    if line.band:
        low, high = zip(*line.band, strict=True)
        axes.fill_between(xs, low, high, color=colour_of(line.look), alpha=0.16, linewidth=0)


_MARKS = {
    "mean": {"color": INK, "linewidth": 1.4},
    "median": {"color": LIGHT["s2"], "linewidth": 1.4, "linestyle": (0, (4, 2))},
    "best": {"color": INK, "linewidth": 0.8, "linestyle": (0, (3, 3))},
}


def _draw_mark(axes: Any, mark: Mark, chart: Chart) -> None:
    axes.axvline(mark.x, **_MARKS[mark.role])
    if mark.text:
        late = chart.x_scale(mark.x) > 0.5  # written on the side that has room
        axes.annotate(
            mark.text,
            xy=(mark.x, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-5 if late else 5, -2),
            textcoords="offset points",
            ha="right" if late else "left",
            va="top",
            fontsize=8.5,
            color=INK,
        )


def _coloured_words(axes: Any, parts: Sequence[tuple[str, str]]) -> None:
    """Write (text, colour) pairs side by side just above ``axes``: a legend that covers no data."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

    areas = [TextArea(text, textprops={"color": colour, "fontsize": 8.5}) for text, colour in parts]
    box = HPacker(children=areas, pad=0, sep=7)
    place = {"bbox_to_anchor": (0.0, 1.03), "bbox_transform": axes.transAxes}
    axes.add_artist(AnchoredOffsetbox("lower left", child=box, pad=0, borderpad=0, frameon=False, **place))


def _name_ends(axes: Any, lines: Sequence[Line], size: float = 8.5) -> None:
    """Write the names of ``lines`` right of ``axes``, each as near to its line's end as the others allow."""
    height = axes.get_position().height * axes.figure.get_figheight() * 72  # points
    to_axes = axes.transData + axes.transAxes.inverted()
    lines = [line for line in lines if line.points and all(map(math.isfinite, line.points[-1]))]
    ends = [min(max(float(to_axes.transform(line.points[-1])[1]), 0.0), 1.0) for line in lines]
    for line, place in zip(lines, spread(ends, gap=1.35 * size / height), strict=True):
        colour = colour_of(line.look)
        label = axes.annotate(
            line.label,
            xy=line.points[-1],
            xytext=(1.05, place),
            textcoords="axes fraction",
            va="center",
            fontsize=size,
            color=colour,
            annotation_clip=False,
            parse_math=False,
            # From the left end of the text: from its middle, lines would run through their neighbours' names.
            arrowprops={
                "arrowstyle": "-",
                "color": colour,
                "linewidth": 0.6,
                "shrinkA": 2,
                "shrinkB": 3,
                "relpos": (0, 0.5),
            },
        )
        label.set_in_layout(False)  # its room was set aside; the layout would make the panels narrower still


def spread(ends: Sequence[float], gap: float) -> list[float]:
    """Return places near ``ends``, in the same order, that keep at least ``gap`` between neighbours.

    Neighbours too close are pooled into one block around their mean, and blocks that touch are pooled again.
    """
    order = np.argsort(ends, kind="stable")
    blocks: list[list[int]] = []
    for index in order:
        blocks.append([int(index)])
        while len(blocks) > 1 and _start(blocks[-1], ends, gap) < _start(blocks[-2], ends, gap) + gap * len(blocks[-2]):
            last = blocks.pop()
            blocks[-1] += last
    places = [0.0] * len(ends)
    for block in blocks:
        for step, index in enumerate(block):
            places[index] = _start(block, ends, gap) + gap * step
    return places


def _start(block, ends, gap):
    return float(np.mean([ends[index] for index in block])) - gap * (len(block) - 1) / 2
