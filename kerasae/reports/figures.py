"""Curves and histograms, drawn with matplotlib."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.files import replacing
from kerasae.records import RatePoint, Score

# Okabe and Ito 2008: told apart with every common colour blindness. Yellow is left out, too faint for a line.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
INK, QUIET, GRID = "#222222", "#6b6b6b", "#e4e4e4"
DPI = 150


def new_figure(width: float, height: float, title: str) -> Any:
    """Return a matplotlib ``Figure`` of so many inches with its title at the upper left."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    # The name of a run may hold a dollar sign, which would start mathematics.
    figure.suptitle(title, x=0.012, ha="left", fontsize=11.5, fontweight="bold", color=INK, parse_math=False)
    return figure


def quiet(axes: Any) -> None:
    """Take the frame off ``axes`` but for a thin line below, and put a light grid behind the data."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.grid(True, axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(which="both", length=0, labelsize=8.5, colors=QUIET)
    axes.tick_params(axis="x", length=3)
    axes.xaxis.label.set(color=QUIET, fontsize=9)


def panel_title(axes: Any, text: str) -> None:
    """Write what a panel shows above it, at the left, in place of a turned axis label."""
    axes.set_title(text, loc="left", fontsize=9.5, color=INK)


def coloured_line(axes: Any, parts: Sequence[tuple[str, str]]) -> None:
    """Write (text, colour) pairs side by side just above ``axes``: a legend that covers no data."""
    from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea

    areas = [TextArea(text, textprops={"color": colour, "fontsize": 8.5}) for text, colour in parts]
    axes.add_artist(
        AnchoredOffsetbox(
            "lower left",
            child=HPacker(children=areas, pad=0, sep=7),
            pad=0,
            borderpad=0,
            frameon=False,
            bbox_to_anchor=(0.0, 1.03),
            bbox_transform=axes.transAxes,
        )
    )


def round_ticks(axis: Any, count: int, *, integer: bool = False) -> None:
    """Put at most ``count`` + 1 ticks on a linear ``axis``, a round number apart."""
    from matplotlib.ticker import MaxNLocator, ScalarFormatter

    axis.set_major_locator(MaxNLocator(count, integer=integer, steps=[1, 2, 5, 10] if integer else [1, 2, 2.5, 5, 10]))
    plain = ScalarFormatter(useOffset=False)
    plain.set_scientific(False)
    axis.set_major_formatter(plain)


def log_scale(axes: Any) -> None:
    """Make the y axis logarithmic, with plain numbers at 1, 2 and 5 of each decade, or at 1 where there are many."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high / low < 300 else (1.0,)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def save(figure: Any, path: Path) -> None:
    """Write ``figure`` as a PNG under ``path``, atomically."""
    with replacing(Path(path)) as partial:
        figure.savefig(partial, format="png")


def label_ends(axes: Any, labels: Sequence[tuple[float, float, str, str]], *, size: float = 8.5) -> None:
    """Write labels right of ``axes``, each as near to its line's end as the others allow.

    Args:
        axes: matplotlib axes whose lines are drawn and whose limits are final.
        labels: (x, y in data coordinates, text, colour) of each line's last point.
        size: font size in points.
    """
    height = axes.get_position().height * axes.figure.get_figheight() * 72  # points
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [float(to_axes.transform((x, y))[1]) for x, y, _, _ in labels]
    for (x, y, text, colour), place in zip(labels, spread(ends, gap=1.35 * size / height), strict=True):
        label = axes.annotate(
            text,
            xy=(x, y),
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


# column of the history: its validation twin, and the panel's heading
TERMS = {
    "loss": ("val_loss", "loss"),
    "distortion": ("val_distortion", "distortion"),
    "rate": ("val_rate", "rate"),
    "penalty": ("val_penalty", "weight penalty"),
}


def loss_curves(
    history: Sequence[Mapping[str, float]], path: Path, title: str, *, best_epoch: int | None = None
) -> None:
    """Write a PNG of the loss terms and the validation error over epochs, a panel each; terms that stay 0 are left out.

    Args:
        history: one row per epoch with ``epoch`` and any of ``loss``, ``distortion``, ``rate``, ``penalty``, each also
            with ``val_`` before it, ``val_mse`` and ``val_mse_sample``; values may be missing or not finite.
        path: the file to write.
        title: written above.
        best_epoch: the epoch whose weights were kept; None marks the one with the lowest ``val_mse``.
    """
    save(_loss_figure(history, title, best_epoch), path)


def _loss_figure(history, title, best=None):
    columns = {key: np.array([float(row.get(key, np.nan)) for row in history]) for row in history for key in row}
    epochs = columns.get("epoch", np.arange(1, len(history) + 1))
    panels = [(head, {"train": key, "validation": twin}) for key, (twin, head) in TERMS.items() if _says(columns, key)]
    if _says(columns, "val_mse"):
        panels.append(("validation MSE", {"validation": "val_mse", "decoded from a sample": "val_mse_sample"}))
    # Without a rate and a penalty the loss is the distortion, and one panel says it.
    if not _says(columns, "rate") and not _says(columns, "penalty") and _says(columns, "distortion"):
        panels = [panel for panel in panels if panel[1].get("train") != "loss"]
    across = {1: 1, 2: 2, 4: 2}.get(len(panels), 3)
    down = max(1, -(-len(panels) // across))
    figure = new_figure(3.3 * across + 0.4, 2.7 * down + 0.4, title)
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes in grid[len(panels) :]:
        axes.remove()
    # A resumed or cut history may lack the epoch that was kept.
    best = best if best in epochs else _best(epochs, columns)
    for axes, (heading, lines) in zip(grid, panels, strict=False):
        _draw_losses(axes, epochs, columns, heading, lines, best)
    return figure


def _says(columns, key):
    values = columns.get(key, np.array([]))
    return bool((np.isfinite(values) & (values != 0)).any())


def _best(epochs, columns):
    """Return the epoch with the lowest validation MSE, or None."""
    values = columns.get("val_mse", np.array([]))
    return epochs[np.nanargmin(values)] if np.isfinite(values).any() else None


def _draw_losses(axes, epochs, columns, heading, lines, best):
    colours = {"train": QUIET, "validation": PALETTE[0], "decoded from a sample": PALETTE[1]}
    drawn = {name: columns[key] for name, key in lines.items() if _says(columns, key)}
    for name, values in drawn.items():
        dot = "o" if len(epochs) == 1 else None
        axes.plot(epochs, values, color=colours[name], linewidth=1.6, marker=dot, markersize=4, label=name)
    # A loss that falls by more than a factor of 5 shows its end only on a logarithmic axis.
    finite = [values[np.isfinite(values)] for values in drawn.values()]
    if all(values.min() > 0 for values in finite) and any(values[0] > 5 * values.min() for values in finite):
        log_scale(axes)
    panel_title(axes, f"{heading}\n")
    coloured_line(axes, [(name, colours[name]) for name in drawn])
    quiet(axes)
    axes.set_xlabel("epoch")
    round_ticks(axes.xaxis, 5, integer=True)
    if len(epochs) == 1:
        axes.set_xlim(epochs[0] - 1, epochs[0] + 1)
    if best is not None:
        axes.axvline(best, color=INK, linewidth=0.8, linestyle=(0, (3, 3)))
        if "val_mse" in lines.values():
            _mark_best(axes, epochs, columns["val_mse"], best)


def _mark_best(axes, epochs, values, best):
    value = values[list(epochs).index(best)]
    axes.plot([best], [value], "o", color=INK, markersize=4.5, zorder=5)
    left = best > (epochs[0] + epochs[-1]) / 2  # written on the side that has room
    axes.annotate(
        f"best: epoch {best:g}\n{value:.5f}",
        xy=(best, value),
        xytext=(-7 if left else 7, 22),
        textcoords="offset points",
        ha="right" if left else "left",
        fontsize=8.5,
        color=INK,
    )


HISTOGRAM_HEADINGS = {"mse": "MSE", "psnr": "PSNR, dB", "ssim": "SSIM"}
DIGITS = {"mse": 5, "psnr": 2, "ssim": 3}


def metric_histograms(per_image: Mapping[str, np.ndarray], path: Path, title: str) -> None:
    """Write a PNG with a histogram per metric; mean, median and one standard deviation are drawn and written.

    Args:
        per_image: ``mse``, ``psnr`` (dB) and ``ssim``, each ``(count,)``, one finite number per image.
        path: the file to write.
        title: written above.
    """
    save(_histogram_figure(per_image, title), path)


def _histogram_figure(per_image, title):
    metrics = [metric for metric in HISTOGRAM_HEADINGS if metric in per_image]
    count = len(per_image[metrics[0]])
    figure = new_figure(3.3 * len(metrics) + 0.2, 3.1, f"{title}, {count:,} image{'s' * (count != 1)}")
    for axes, metric in zip(figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True):
        _draw_histogram(axes, metric, np.asarray(per_image[metric], dtype="float64"))
    return figure


def _draw_histogram(axes, metric, values):
    mean, median, std = values.mean(), np.median(values), values.std(ddof=min(1, len(values) - 1))
    low, high = values.min(), values.max()
    if high - low < 1e-9:  # all the same: a bin with some width to be seen
        low, high = low - 0.5 * 10.0 ** -DIGITS[metric], high + 0.5 * 10.0 ** -DIGITS[metric]
    bins = int(np.clip(2 * np.cbrt(values.size), 5, 60))
    axes.axvspan(mean - std, mean + std, color=PALETTE[0], alpha=0.09, linewidth=0)
    axes.hist(values, bins=bins, range=(low, high), color=PALETTE[4], edgecolor="white", linewidth=0.3)
    axes.axvline(mean, color=INK, linewidth=1.4)
    axes.axvline(median, color=PALETTE[1], linewidth=1.4, linestyle=(0, (4, 2)))
    axes.set_xlim(low - 0.03 * (high - low), high + 0.03 * (high - low))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.04)
    panel_title(axes, f"{HISTOGRAM_HEADINGS[metric]}\n")
    quiet(axes)
    round_ticks(axes.xaxis, 4)
    round_ticks(axes.yaxis, 4, integer=True)
    digits = DIGITS[metric]
    coloured_line(
        axes,
        [
            (f"mean {mean:.{digits}f}", INK),
            (f"median {median:.{digits}f}", PALETTE[1]),
            (f"std {std:.{digits}f}", PALETTE[0]),
        ],
    )


SWEEP_HEADINGS = {"mse": "MSE", "psnr": "PSNR, dB", "ssim": "SSIM"}
NOTHING = "do nothing"
STROKES = ("-", (0, (5, 1.5)), (0, (1.5, 1.5)))  # taken in turn once the colours are used up


def noise_sweep(path: Path, scores: Sequence[Score], title: str) -> None:
    """Write a PNG of MSE, PSNR and SSIM against sigma, a line per run and way of decoding.

    The band is the 95 % interval of the mean over images; the dashed gray line is the noisy image itself, so that a run
    that does worse than nothing is seen.

    Args:
        path: the file to write.
        scores: of any number of runs and sigmas; those with ``decoded_from == "input"`` are the do-nothing line.
        title: written above.
    """
    save(_sweep_figure(scores, title), path)


def _sweep_figure(scores, title):
    lines = _lines(scores)
    # Names stand once, beside the last panel; colours carry them over to the others.
    margin = 0.075 * max((len(name) for name in lines), default=0) + 0.35
    # A name takes 0.16 inches of height; titles and ticks 1.2.
    figure = new_figure(9.2 + margin, max(3.5, 0.16 * len(lines) + 1.2), title)
    figure.get_layout_engine().set(rect=(0, 0, 9.2 / (9.2 + margin), 1), wspace=0.06)
    panels = figure.subplots(1, len(SWEEP_HEADINGS))
    for axes, (metric, heading) in zip(panels, SWEEP_HEADINGS.items(), strict=True):
        _draw_sweep(axes, lines, metric)
        panel_title(axes, heading)
        quiet(axes)
        axes.set_xlabel("noise σ, in [0, 1] intensity")
        round_ticks(axes.xaxis, 5)
        if metric == "mse" and lines:
            log_scale(axes)
        if len({score.sigma for score in scores}) == 1:
            axes.set_xlim(scores[0].sigma - 0.05, scores[0].sigma + 0.05)
    figure.draw_without_rendering()  # settles the layout, which the places of the labels depend on
    last = [
        (line[-1].sigma, getattr(line[-1], metric).mean, name, _sweep_look(lines, name)["color"])
        for name, line in lines.items()
    ]
    label_ends(panels[-1], last)
    return figure


def _lines(scores):
    """Return ``{name: scores in order of sigma}``, runs in the order given, the do-nothing line last."""
    ways = {}
    for score in scores:
        if score.decoded_from != "input":
            ways.setdefault(score.run, set()).add(score.decoded_from)
    lines, nothing = {}, {}
    for score in sorted(scores, key=lambda score: score.sigma):
        if score.decoded_from == "input":
            if score.mse.mean > 0:  # without noise the image is exact, and its PSNR off any scale
                nothing[score.sigma] = score
        else:
            lines.setdefault((score.run, score.decoded_from), []).append(score)
    # The sort above mixed the runs up; dictionaries keep the order in which runs first came.
    order = sorted(lines, key=lambda key: list(ways).index(key[0]))
    named = {f"{run}, {way}" if len(ways[run]) > 1 else run: lines[run, way] for run, way in order}
    return named | ({NOTHING: list(nothing.values())} if nothing else {})


def _sweep_look(lines, name):
    if name == NOTHING:
        return {"color": QUIET, "linestyle": (0, (4, 2)), "linewidth": 1.3}
    place = list(lines).index(name)
    stroke = STROKES[place // len(PALETTE) % len(STROKES)]
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": stroke, "linewidth": 1.7}


def _draw_sweep(axes, lines, metric):
    for name, line in lines.items():
        sigmas = [score.sigma for score in line]
        summaries = [getattr(score, metric) for score in line]
        look = _sweep_look(lines, name)
        dot = "" if name == NOTHING and len(line) > 1 else "o"
        axes.plot(sigmas, [one.mean for one in summaries], marker=dot, markersize=3.5, label=name, **look)
        low, high = [one.low for one in summaries], [one.high for one in summaries]
        axes.fill_between(sigmas, low, high, color=look["color"], alpha=0.18, linewidth=0)


RATE_HEADINGS = {"psnr": "PSNR, dB", "ssim": "SSIM"}
# The classical codecs keep their look from one figure to the next; models take the strong colours.
_CLASSICAL = {
    "jpeg": ("#8c8c8c", "-"),
    "jpeg-444": ("#8c8c8c", (0, (2, 1.5))),
    "webp": ("#009E73", "-"),
    "avif": ("#CC79A7", "-"),
    "avif-444": ("#CC79A7", (0, (2, 1.5))),
    "jpeg2000": ("#E69F00", "-"),
    "jpegxl": ("#56B4E9", "-"),
}
_MODELS = ("#0072B2", "#D55E00", "#000000", "#7a3db8")


def rate_distortion(path: Path, points: Sequence[RatePoint], title: str) -> None:
    """Write a PNG of PSNR and SSIM against bits per pixel on a logarithmic axis, a line per codec with its name.

    Args:
        path: the file to write.
        points: of any number of codecs; models are drawn thicker than the classical ones.
        title: written above.
    """
    save(_rate_figure(points, title), path)


def _rate_figure(points, title):
    curves: dict[str, list[RatePoint]] = {}
    for point in points:
        curves.setdefault(point.codec, []).append(point)
    for curve in curves.values():
        curve.sort(key=lambda point: point.bits_per_pixel)
    margin = 0.075 * max((len(name) for name in curves), default=0) + 0.45
    figure = new_figure(9.6 + margin, 4.6, title)
    figure.get_layout_engine().set(rect=(0, 0, 9.6 / (9.6 + margin), 1), wspace=0.06)
    panels = figure.subplots(1, 2)
    for axes, (metric, heading) in zip(panels, RATE_HEADINGS.items(), strict=True):
        for name, curve in curves.items():
            shown = [point for point in curve if getattr(point, metric) is not None]
            axes.plot(
                [point.bits_per_pixel for point in shown],
                [getattr(point, metric) for point in shown],
                label=name,
                **_rate_look(name, curves),
            )
        panel_title(axes, heading)
        quiet(axes)
        round_ticks(axes.yaxis, 7)
        _rate_axis(axes, points)
    figure.draw_without_rendering()  # settles the layout, which the places of the labels depend on
    last = [
        (curve[-1].bits_per_pixel, curve[-1].ssim, name, _rate_look(name, curves)["color"])
        for name, curve in curves.items()
        if curve[-1].ssim is not None
    ]
    label_ends(panels[-1], last)
    return figure


def _rate_axis(axes, points):
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.set_xscale("log")
    rates = [point.bits_per_pixel for point in points]
    axes.set_xlim(min(rates) * 0.9, max(rates) * 1.1)
    wide = max(rates) / min(rates) > 100
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0) if wide else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("bits per pixel, whole files", color=QUIET)


def _rate_look(name, curves):
    if name in _CLASSICAL:
        colour, stroke = _CLASSICAL[name]
        return {"color": colour, "linestyle": stroke, "linewidth": 1.4, "marker": "o", "markersize": 2.5}
    models = [other for other in curves if other not in _CLASSICAL]
    place = models.index(name)
    colour = _MODELS[place % len(_MODELS)] if place < len(_MODELS) else PALETTE[place % len(PALETTE)]
    return {"color": colour, "linestyle": "-", "linewidth": 2.2, "marker": "o", "markersize": 4}
