"""Quality against rate."""

from collections.abc import Sequence
from pathlib import Path

from kerasae.records import RatePoint
from kerasae.reports.figures.end_labels import label_ends
from kerasae.reports.figures.style import PALETTE, QUIET, new_figure, panel_title, quiet, round_ticks, save

HEADINGS = {"psnr": "PSNR, dB", "ssim": "SSIM"}
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
    save(_figure(points, title), path)


def _figure(points, title):
    curves: dict[str, list[RatePoint]] = {}
    for point in points:
        curves.setdefault(point.codec, []).append(point)
    for curve in curves.values():
        curve.sort(key=lambda point: point.bits_per_pixel)
    margin = 0.075 * max((len(name) for name in curves), default=0) + 0.45
    figure = new_figure(9.6 + margin, 4.6, title)
    figure.get_layout_engine().set(rect=(0, 0, 9.6 / (9.6 + margin), 1), wspace=0.06)
    panels = figure.subplots(1, 2)
    for axes, (metric, heading) in zip(panels, HEADINGS.items(), strict=True):
        for name, curve in curves.items():
            shown = [point for point in curve if getattr(point, metric) is not None]
            axes.plot(
                [point.bits_per_pixel for point in shown],
                [getattr(point, metric) for point in shown],
                label=name,
                **_look(name, curves),
            )
        panel_title(axes, heading)
        quiet(axes)
        round_ticks(axes.yaxis, 7)
        _rate_axis(axes, points)
    figure.draw_without_rendering()  # settles the layout, which the places of the labels depend on
    last = [
        (curve[-1].bits_per_pixel, curve[-1].ssim, name, _look(name, curves)["color"])
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


def _look(name, curves):
    if name in _CLASSICAL:
        colour, stroke = _CLASSICAL[name]
        return {"color": colour, "linestyle": stroke, "linewidth": 1.4, "marker": "o", "markersize": 2.5}
    models = [other for other in curves if other not in _CLASSICAL]
    place = models.index(name)
    colour = _MODELS[place % len(_MODELS)] if place < len(_MODELS) else PALETTE[place % len(PALETTE)]
    return {"color": colour, "linestyle": "-", "linewidth": 2.2, "marker": "o", "markersize": 4}
