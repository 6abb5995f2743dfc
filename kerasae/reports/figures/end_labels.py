"""Names written at the end of lines, moved apart where lines end close together."""

from collections.abc import Sequence
from typing import Any

import numpy as np


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
