"""Scores against the noise on the input."""

from collections.abc import Sequence
from pathlib import Path

from kerasae.records import Score
from kerasae.reports.figures.end_labels import label_ends
from kerasae.reports.figures.style import (
    PALETTE,
    QUIET,
    log_scale,
    new_figure,
    panel_title,
    quiet,
    round_ticks,
    save,
)

HEADINGS = {"mse": "MSE", "psnr": "PSNR, dB", "ssim": "SSIM"}
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
    save(_figure(scores, title), path)


def _figure(scores, title):
    lines = _lines(scores)
    # Names stand once, beside the last panel; colours carry them over to the others.
    margin = 0.075 * max((len(name) for name in lines), default=0) + 0.35
    # A name takes 0.16 inches of height; titles and ticks 1.2.
    figure = new_figure(9.2 + margin, max(3.5, 0.16 * len(lines) + 1.2), title)
    figure.get_layout_engine().set(rect=(0, 0, 9.2 / (9.2 + margin), 1), wspace=0.06)
    panels = figure.subplots(1, len(HEADINGS))
    for axes, (metric, heading) in zip(panels, HEADINGS.items(), strict=True):
        _draw(axes, lines, metric)
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
        (line[-1].sigma, getattr(line[-1], metric).mean, name, _look(lines, name)["color"])
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


def _look(lines, name):
    if name == NOTHING:
        return {"color": QUIET, "linestyle": (0, (4, 2)), "linewidth": 1.3}
    place = list(lines).index(name)
    stroke = STROKES[place // len(PALETTE) % len(STROKES)]
    return {"color": PALETTE[place % len(PALETTE)], "linestyle": stroke, "linewidth": 1.7}


def _draw(axes, lines, metric):
    for name, line in lines.items():
        sigmas = [score.sigma for score in line]
        summaries = [getattr(score, metric) for score in line]
        look = _look(lines, name)
        dot = "" if name == NOTHING and len(line) > 1 else "o"
        axes.plot(sigmas, [one.mean for one in summaries], marker=dot, markersize=3.5, label=name, **look)
        low, high = [one.low for one in summaries], [one.high for one in summaries]
        axes.fill_between(sigmas, low, high, color=look["color"], alpha=0.18, linewidth=0)
