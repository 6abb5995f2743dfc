"""What was compared, and what came of it."""

from collections.abc import Sequence

from kerasae.records import Comparison, ReportContent, StudyRecord
from kerasae.reports.blocks import Details, Figure, Panel, Paragraph, Section, Sentences, Table
from kerasae.reports.grids import Cell, Column, Grid
from kerasae.reports.svg import Effect, forest, span_of
from kerasae.reports.wording import DECODINGS, at_sigma, in_order, signed


def comparisons_section(content: ReportContent) -> Section | None:
    """Return, for each axis compared, effect plots and sentences, and then all comparisons as a table."""
    study = content.study
    if not study or not study.comparisons:
        return None
    axes = in_order(one.axis for one in study.comparisons)
    blocks = [Paragraph(_introduction(study))]
    for place, axis in enumerate(axes):
        blocks += _along(axis, [one for one in study.comparisons if one.axis == axis], place)
    blocks.append(Details("All comparisons as a table", [Table("comparisons-table", _grid(study))]))
    only = study.comparisons[0].reference
    heading = f"Compared with “{only}”" if len(axes) == 1 else "Compared, all else equal"
    return Section("comparisons", heading, "Comparisons", blocks)


def _along(axis: str, comparisons: list[Comparison], place: int) -> list:
    """Return the effect plots of one axis (PSNR to be seen, the others folded), and its sentences."""
    figures, in_words = {}, {}
    for metric in in_order(one.metric for one in comparisons):
        chosen = [one for one in comparisons if one.metric == metric]
        name = METRICS[metric][0]
        ident = f"effects-{metric.replace('_', '-')}" + (f"-{place}" if place else "")
        figures[metric] = effects_figure(ident, chosen)
        in_words[f"In words: {axis}, {name}"] = [(VERDICTS[one.verdict], one.sentence) for one in chosen]
    shown = [figures.pop("psnr")] if "psnr" in figures else []
    if figures:
        names = " and ".join(METRICS[metric][0] for metric in figures)
        shown.append(Details(f"Effect plots: {axis}, {names}", list(figures.values())))
    return shown + [
        Details(name, [Sentences(items)], open=not place and not number)
        for number, (name, items) in enumerate(in_words.items())
    ]


def _introduction(study: StudyRecord) -> str:
    return (
        f"Along {study.comparisons_along}, each level against the first, all else equal, on the same images. A "
        "coloured triangle is a difference that holds after Holm’s correction over the comparisons of its question (up "
        f"to {study.family}); everything gray is not ranked. The order is the study’s own, never that of size."
    )


def _grid(study: StudyRecord) -> Grid:
    columns = (
        Column("comparison", False), Column("where", False), Column("noise σ"), Column("metric", False),
        Column("difference"), Column("verdict", False), Column("p, Holm"), Column("p over images, Holm"),
        Column("seed spread"),
    )  # fmt: skip
    rows = []
    for place, one in enumerate(study.comparisons):
        name, _, digits = METRICS[one.metric]
        rows.append(
            (
                Cell(f"{one.level} against {one.reference}", place),
                Cell(where(one) or "–", where(one)),
                Cell(f"{one.sigma:g}" if one.sigma else "clean", one.sigma),
                Cell(name, name),
                # Sorting by size would rank what must not be ranked.
                Cell(words(one, unit=True), place),
                Cell(VERDICTS[one.verdict], list(VERDICTS).index(one.verdict)),
                _p(one.p_holm),
                _p(one.p_images),
                Cell("–" if one.seed_spread is None else f"{one.seed_spread:.{digits}f}", one.seed_spread),
            )
        )
    caption = (
        "Level minus reference, [95 % interval]. p, Holm: other seeds and other images; p over images: these very "
        "models (Wilcoxon signed rank). The column of differences keeps the study’s order."
    )
    return Grid(caption, columns, tuple(rows))


def _p(value: float | None) -> Cell:
    if value is None:
        return Cell("–")
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", value)


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
