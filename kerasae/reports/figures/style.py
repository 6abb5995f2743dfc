"""The look that all figures share, and how they reach the disk."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kerasae.atomic import replacing

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
