"""What was compared, and what came of it."""

from collections.abc import Sequence
from typing import Any

from kerasae.records import Comparison, ReportContent, StudyRecord
from kerasae.reports.blocks import Details, Paragraph, Sentences
from kerasae.reports.charts import Effect, Figure, Forest, Panel
from kerasae.reports.score_tables import VERDICTS
from kerasae.reports.tables import MISSING, Cell, Column, Table
from kerasae.reports.wording import DECODINGS, at_sigma, in_order, metric_named, signed

_APART = 4.0  # panels keep one scale unless their spans differ by more than this factor


def comparisons(content: ReportContent) -> list[Any]:
    """Return, for each axis compared, effect plots and sentences, and then all comparisons as a table."""
    study = content.study
    if not study or not study.comparisons:
        return []
    introduction = (
        f"Along {', '.join(study.comparisons_along)}, each level against the first, all else equal, on the same "
        "images. A coloured triangle is a difference that holds after Holm’s correction over the comparisons of its "
        f"question (up to {study.family}); everything gray is not ranked. The order is the study’s own, never that of "
        "size."
    )
    blocks: list[Any] = [Paragraph(introduction)]
    for place, axis in enumerate(in_order(one.axis for one in study.comparisons)):
        blocks += _along(axis, [one for one in study.comparisons if one.axis == axis], place)
    return [*blocks, Details("All comparisons as a table", [_table(study)])]


def _along(axis: str, compared: list[Comparison], place: int) -> list[Any]:
    """Return the effect plots of one axis (PSNR to be seen, the others folded), and its sentences."""
    figures, in_words = {}, []
    for metric in in_order(one.metric for one in compared):
        chosen = [one for one in compared if one.metric == metric]
        ident = f"effects-{metric.replace('_', '-')}" + (f"-{place}" if place else "")
        figures[metric] = _effects_figure(ident, chosen)
        sentences = Sentences([(VERDICTS[one.verdict], one.sentence) for one in chosen])
        summary = f"In words: {axis}, {metric_named(metric).label}"
        in_words.append(Details(summary, [sentences], open=not place and not in_words))
    shown = [figures.pop("psnr")] if "psnr" in figures else []
    if figures:
        names = " and ".join(metric_named(metric).label for metric in figures)
        shown.append(Details(f"Effect plots: {axis}, {names}", list(figures.values())))
    return shown + in_words


def _effects_figure(ident: str, compared: Sequence[Comparison]) -> Figure:
    """Return the effect plot of comparisons, all of one metric along one axis, a panel for each noise."""
    first, about = compared[0], metric_named(compared[0].metric)
    by_sigma = {
        sigma: _groups([one for one in compared if one.sigma == sigma])
        for sigma in in_order(one.sigma for one in compared)
    }
    spans = {sigma: _span([one for _, group in groups for one in group]) for sigma, groups in by_sigma.items()}
    lengths = [high - low for low, high in spans.values()]
    common = max(lengths) <= _APART * min(lengths)
    everything = (min(low for low, _ in spans.values()), max(high for _, high in spans.values()))
    unit = f", {about.unit}" if about.unit else ""
    panels = []
    for sigma, groups in by_sigma.items():
        title = f"Differences in {about.label} along {first.axis}, {at_sigma(sigma)}"
        gist = "; ".join(
            f"{where} {one.label} {one.words}, {VERDICTS[one.verdict]}" for where, group in groups for one in group
        )
        span = everything if common else spans[sigma]
        chart = Forest(title, gist, groups, span, f"difference in {about.label}{unit}")
        panels.append(Panel(f"{about.label}, {at_sigma(sigma)}", chart))
    robustness = " (PSNR under noise less PSNR on the same clean images, to the right of the line: loses less)"
    caption = (
        f"{about.label}{robustness if about.name == 'psnr_change' else ''} of each {first.axis} less that of "
        f"“{first.reference}”, all else equal, with its 95 % interval. ▲ higher, ▼ lower, ◇ not ranked (no difference "
        "seen, a hint that did not survive the correction, or one seed, whose interval speaks of images only). "
        f"{'One scale for all noise levels' if common else 'A scale of its own for each noise level'}."
    )
    return Figure(ident, caption, panels)


def _groups(compared: Sequence[Comparison]) -> list[tuple[str, list[Effect]]]:
    groups: dict[str, list[Effect]] = {}
    for one in compared:
        effect = Effect(one.level, one.difference, *_interval(one), one.verdict, _words(one))
        groups.setdefault(_where(one), []).append(effect)
    return list(groups.items())


def _span(effects: Sequence[Effect]) -> tuple[float, float]:
    ends = [0.0, *(end for one in effects for end in (one.low, one.high))]
    return min(ends), max(ends)


def _interval(one: Comparison) -> tuple[float, float]:
    """Return the interval over seeds and images, or over images where there is one seed."""
    return (one.images_low, one.images_high) if one.low is None or one.high is None else (one.low, one.high)


def _words(one: Comparison, unit: str = "") -> str:
    digits = metric_named(one.metric).difference_digits
    low, high = (signed(end, digits).replace("+", "") for end in _interval(one))
    return f"{signed(one.difference, digits)}{unit} [{low}, {high}]"


def _where(one: Comparison) -> str:
    """Return what both sides have in common, and how their images were decoded where that is a choice."""
    decoding = DECODINGS.get(one.decoded_from[0], "")
    return ", ".join(part for part in (*one.where.values(), decoding) if part)


def _table(study: StudyRecord) -> Table:
    columns = [
        Column("comparison", False), Column("where", False), Column("noise σ"), Column("metric", False),
        Column("difference"), Column("verdict", False), Column("p, Holm"), Column("p over images, Holm"),
        Column("seed spread"),
    ]  # fmt: skip
    rows = []
    for place, one in enumerate(study.comparisons):
        about = metric_named(one.metric)
        spread = one.seed_spread
        row = [
            Cell(f"{one.level} against {one.reference}", place),
            Cell(_where(one) or "–", _where(one)),
            Cell(f"{one.sigma:g}" if one.sigma else "clean", one.sigma),
            Cell(about.label, about.label),
            # Sorting by size would rank what must not be ranked.
            Cell(_words(one, f" {about.unit}" if about.unit else ""), place),
            Cell(VERDICTS[one.verdict], list(VERDICTS).index(one.verdict)),
            _p(one.p_holm),
            _p(one.p_images),
            MISSING if spread is None else Cell(f"{spread:.{about.difference_digits}f}", spread),
        ]
        rows.append(row)
    caption = (
        "Level minus reference, [95 % interval]. p, Holm: other seeds and other images; p over images: these very "
        "models (Wilcoxon signed rank). The column of differences keeps the study’s order."
    )
    return Table(caption, columns, rows, ident="comparisons-table")


def _p(value: float | None) -> Cell:
    if value is None:
        return MISSING
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", value)
