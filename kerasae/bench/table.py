"""A bench as a table."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from kerasae.bench.result import PLAIN, BenchResult, Measurement

if TYPE_CHECKING:
    from kerasae.bench.codec_speed import Speed

_TITLES = {"train": "training", "evaluate": "evaluation: forward, MSE, PSNR, SSIM"}


def bench_table(result: BenchResult) -> Table:
    """Return the measurements as a table for a terminal: medians over rounds, with the least and the greatest.

    A ratio is the median of the rounds' own ratios to the plain loop, not the ratio of the medians.
    """
    table = Table(title="Images per second", caption=_caption(result), caption_justify="left")
    for title in ("task", "model", "contender", "device"):
        table.add_column(title)
    for title in ("median", "min–max", "ratio to plain", "min–max"):
        table.add_column(title, justify="right")
    before = None
    for each in sorted(result.measurements, key=lambda each: (each.model, each.task != "train")):
        if before not in (None, (each.task, each.model)):
            table.add_section()
        before = (each.task, each.model)
        table.add_row(_TITLES[each.task], each.model, each.contender, each.device, *_numbers(each, result))
    return table


def speed_table(speeds: "Sequence[Speed]", title: str) -> Table:
    """Return a codec's speeds as a table for a terminal: medians over rounds, with the least and the greatest."""
    table = Table(title=title)
    table.add_column("task")
    for heading in ("images/s", "min–max"):
        table.add_column(heading, justify="right")
    for speed in speeds:
        values = speed.images_per_second
        table.add_row(speed.task, f"{median(values):,.0f}", f"{min(values):,.0f}–{max(values):,.0f}")
    return table


def _numbers(each: Measurement, result: BenchResult) -> list[str]:
    speeds = each.images_per_second
    cells = [f"{median(speeds):,.0f}", f"{min(speeds):,.0f}–{max(speeds):,.0f}"]
    ratios = result.ratios.get(f"{each.task}/{each.model}/{each.contender}")
    if each.contender == PLAIN:
        return [*cells, "1", ""]
    if ratios is None:
        return [*cells, "–", ""]
    return [*cells, f"{median(ratios):.2f}", f"{min(ratios):.2f}–{max(ratios):.2f}"]


def _caption(result: BenchResult) -> str:
    height, width, channels = result.image_shape
    lines = [
        f"{result.images:,} images of {height}×{width}×{channels}, batch {result.batch_size}, "
        f"{result.processors} processors; plain: a PyTorch loop, and scikit-image for the metrics"
    ]
    lines += [f"left out: {name} ({why})" for name, why in result.left_out.items()]
    return "\n".join(lines)
