"""The effect plot of one question: one metric along one axis."""

from collections.abc import Sequence

from kerasae.records import Comparison
from kerasae.reports.page.blocks import Figure, Panel
from kerasae.reports.page.charts.forest import Effect, forest, span_of
from kerasae.reports.text.naming import DECODINGS, at_sigma, in_order, signed

# What is compared, its unit, and with how many digits it is written.
METRICS = {"psnr": ("PSNR", " dB", 2), "ssim": ("SSIM", "", 4), "psnr_change": ("PSNR lost to noise", " dB", 2)}
VERDICTS = {
    "higher": "higher",
    "lower": "lower",
    "hint": "hint only",
    "none": "no difference seen",
    "one seed": "one seed, not ranked",
}
_APART = 4.0  # panels keep one scale unless their spans differ by more than this factor


def effects_figure(ident: str, comparisons: Sequence[Comparison]) -> Figure:
    """Return the effect plot of ``comparisons``, all of one metric along one axis, a panel for each noise."""
    name, unit, _ = METRICS[comparisons[0].metric]
    by_sigma = {
        sigma: _groups([one for one in comparisons if one.sigma == sigma])
        for sigma in in_order(one.sigma for one in comparisons)
    }
    spans = {sigma: span_of(groups) for sigma, groups in by_sigma.items()}
    lengths = [high - low for low, high in spans.values()]
    common = max(lengths) <= _APART * min(lengths)
    everything = (min(low for low, _ in spans.values()), max(high for _, high in spans.values()))
    axis_name = f"difference in {name}{',' * bool(unit)}{unit}"
    panels = []
    for place, (sigma, groups) in enumerate(by_sigma.items()):
        title = f"Differences in {name} along {comparisons[0].axis}, {at_sigma(sigma)}"
        gist = "; ".join(
            f"{where} {one.label} {one.words}, {VERDICTS[one.verdict]}" for where, group in groups for one in group
        )
        span = everything if common else spans[sigma]
        chart = forest(f"{ident}-{place}", title, gist, groups, span=span, unit=axis_name)
        panels.append(Panel(f"{name}, {at_sigma(sigma)}", chart))
    return Figure(ident, _caption(comparisons[0], common), panels)


def words(one: Comparison, *, unit: bool = False) -> str:
    """Return a difference with its interval: over seeds and images, or over images where there is one seed."""
    _, name, digits = METRICS[one.metric]
    low, high = (signed(end, digits).replace("+", "") for end in _interval(one))
    return f"{signed(one.difference, digits)}{name * unit} [{low}, {high}]"


def where(one: Comparison) -> str:
    """Return what both sides have in common, and how their images were decoded where that is a choice."""
    decoding = DECODINGS.get(one.decoded_from[0], "")
    return ", ".join(part for part in (*one.where.values(), decoding) if part)


def _caption(one: Comparison, common: bool) -> str:
    name, _, _ = METRICS[one.metric]
    robustness = " (PSNR under noise less PSNR on the same clean images, to the right of the line: loses less)"
    return (
        f"{name}{robustness if one.metric == 'psnr_change' else ''} of each {one.axis} less that of “{one.reference}”, "
        "all else equal, with its 95 % interval. ▲ higher, ▼ lower, ◇ not ranked (no difference seen, a hint that did "
        "not survive the correction, or one seed, whose interval speaks of images only). "
        f"{'One scale for all noise levels' if common else 'A scale of its own for each noise level'}."
    )


def _interval(one: Comparison) -> tuple[float, float]:
    return (one.images_low, one.images_high) if one.low is None or one.high is None else (one.low, one.high)


def _groups(comparisons: Sequence[Comparison]) -> list[tuple[str, list[Effect]]]:
    return [
        (
            place,
            [
                Effect(one.level, one.difference, *_interval(one), one.verdict, words(one))
                for one in comparisons
                if where(one) == place
            ],
        )
        for place in in_order(where(one) for one in comparisons)
    ]
