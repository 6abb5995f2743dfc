"""How training went."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasae.reports.figures.style import (
    INK,
    PALETTE,
    QUIET,
    coloured_line,
    log_scale,
    new_figure,
    panel_title,
    quiet,
    round_ticks,
    save,
)

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
    save(_figure(history, title, best_epoch), path)


def _figure(history, title, best=None):
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
        _draw(axes, epochs, columns, heading, lines, best)
    return figure


def _says(columns, key):
    values = columns.get(key, np.array([]))
    return bool((np.isfinite(values) & (values != 0)).any())


def _best(epochs, columns):
    """Return the epoch with the lowest validation MSE, or None."""
    values = columns.get("val_mse", np.array([]))
    return epochs[np.nanargmin(values)] if np.isfinite(values).any() else None


def _draw(axes, epochs, columns, heading, lines, best):
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
