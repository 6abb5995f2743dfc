"""A bench as a table."""

from collections.abc import Sequence
from statistics import median
from typing import TYPE_CHECKING

from rich.table import Table

from kerasae.bench.result import PLAIN, BenchResult, Measurement
from kerasae.reports.tables.numbers import plain_table

if TYPE_CHECKING:
    from kerasae.bench.codec_speed import Speed

_TITLES = {"train": "training", "evaluate": "evaluation"}


def bench_table(result: BenchResult) -> Table:
    """Return the measurements as a table for a terminal: medians over rounds, with the least and the greatest.

    A ratio is the median of the rounds' own ratios to the plain loop, not the ratio of the medians.
    """
    table = plain_table("Images per second")
    table.caption = _caption(result)
    for title in ("task", "model", "contender"):
        table.add_column(title)
    for title in ("median", "min–max", "to plain", "min–max"):
        table.add_column(title, justify="right", no_wrap=True)
    before = None
    for each in sorted(result.measurements, key=lambda each: (each.model, each.task != "train")):
        if before not in (None, (each.task, each.model)):
            table.add_section()
        before = (each.task, each.model)
        table.add_row(_TITLES[each.task], each.model, each.contender, *_numbers(each, result))
    return table


def speed_table(speeds: "Sequence[Speed]", title: str) -> Table:
    """Return a codec's speeds as a table for a terminal: medians over rounds, with the least and the greatest."""
    table = plain_table(title)
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


def _devices(result: BenchResult) -> str:
    """Return where it ran: one device for all, or one for each contender."""
    devices = {each.contender: each.device for each in result.measurements}
    if len(set(devices.values())) == 1:
        return f"device: {next(iter(devices.values()))}"
    return "devices: " + ", ".join(f"{name} {device}" for name, device in devices.items())


def _caption(result: BenchResult) -> str:
    height, width, channels = result.image_shape
    lines = [
        f"{result.images:,} images of {height}×{width}×{channels}, trained on in batches of {result.batch_size}, "
        f"{result.processors} processors; plain: a PyTorch loop",
        "evaluation: reconstruction, MSE, PSNR and SSIM of every image; plain: with scikit-image",
        _devices(result),
    ]
    lines += [f"left out: {name} ({why})" for name, why in result.left_out.items()]
    return "\n".join(lines)
