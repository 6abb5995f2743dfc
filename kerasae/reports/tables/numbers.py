"""How each quantity is written: as many digits as its spread can bear, and no more."""

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasae.records import Summary

DIGITS = {"mse": 5, "psnr": 2, "ssim": 3}
WIDE = 110  # from this many columns on, every quantity has a column of its own


def columns_of_terminal() -> int:
    """Return the width that rich would print to: the terminal's, or 80 where output goes elsewhere."""
    return Console().width


def plain_table(title: str) -> Table:
    """Return an empty table in the common style: one line under the headings, title and caption to the left."""
    return Table(
        title=Text(title, style="bold"),
        title_justify="left",
        caption_style="dim",
        caption_justify="left",
        box=box.SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )


def written(metric: str, value: float) -> str:
    """Return ``value`` with the digits of ``mse``, ``psnr`` (dB) or ``ssim``."""
    return f"{value:.{DIGITS[metric]}f}"


def with_spread(metric: str, summary: Summary) -> Text:
    """Return mean ± standard deviation over images, and beneath it, dimmed, the 95 % interval of the mean."""
    mean, std, low, high = (written(metric, value) for value in (summary.mean, summary.std, summary.low, summary.high))
    text = Text(justify="right", no_wrap=True)
    text.append(mean, style="bold").append(f" ± {std}").append(f"\n[{low}, {high}]", style="dim")
    return text


def noise(sigma: float) -> str:
    """Return the standard deviation of the noise, ``clean`` where there is none."""
    return f"{sigma:g}" if sigma else "clean"


def duration(seconds: float) -> str:
    """Return seconds as ``42 s``, ``3 min 07 s`` or ``2 h 05 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
