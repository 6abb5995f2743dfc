"""What differs from what, and by how much."""

from collections.abc import Sequence

from kerasae.records import Comparison, ReportContent, StudyRecord
from kerasae.reports.page.blocks import Details, Figure, Panel, Paragraph, Section, Sentences, Table
from kerasae.reports.page.charts.forest import Effect, forest, span_of
from kerasae.reports.tables.numbers import DIGITS
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import DECODINGS, at_sigma, chosen_sigmas, in_order, signed

UNITS = {"psnr": "dB", "ssim": "", "mse": ""}
VERDICTS = {
    "higher": "higher",
    "lower": "lower",
    "hint": "hint only",
    "none": "no difference seen",
    "one seed": "one seed, not ranked",
}
_APART = 4.0  # panels keep one scale unless their spans differ by more than this factor


def comparisons_section(content: ReportContent) -> Section | None:
    """Return effect plots of PSNR, the sentences, and all comparisons as a table."""
    study = content.study
    if not study or not study.comparisons:
        return None
    reference = study.comparisons[0].reference
    blocks = [Paragraph(_introduction(study, reference))]
    blocks += [_figure(study, metric) for metric in ("psnr",) if any(c.metric == metric for c in study.comparisons)]
    blocks += _in_words(content)
    blocks.append(Details("All comparisons as a table", [Table("comparisons-table", _grid(study))]))
    return Section("comparisons", f"Compared with “{reference}”", "Comparisons", blocks)


def _in_words(content: ReportContent) -> list[Details]:
    """Return the sentences on PSNR at each sigma of the first table, and then all the others."""
    comparisons = content.study.comparisons
    groups = {
        f"In words: PSNR, {at_sigma(sigma)}": [one for one in comparisons if (one.metric, one.sigma) == ("psnr", sigma)]
        for sigma in chosen_sigmas(content)
    }
    told = [one for group in groups.values() for one in group]
    groups["In words: the other metrics and noise levels"] = [one for one in comparisons if one not in told]
    return [
        Details(name, [Sentences([(VERDICTS[one.verdict], one.sentence) for one in group])], open=not place)
        for place, (name, group) in enumerate(groups.items())
        if group
    ]


def _introduction(study: StudyRecord, reference: str) -> str:
    return (
        f"Each level of “{study.comparisons_along}” against “{reference}”, all else equal, on the same images. "
        f"A coloured triangle is a difference that holds after Holm’s correction over {study.family} comparisons; "
        "everything gray is not ranked. The order is the study’s own, never that of size."
    )


def _figure(study: StudyRecord, metric: str) -> Figure:
    by_sigma = {}
    for sigma in in_order(one.sigma for one in study.comparisons):
        chosen = [one for one in study.comparisons if one.sigma == sigma and one.metric == metric]
        by_sigma[sigma] = _groups(chosen)
    spans = {sigma: span_of(groups) for sigma, groups in by_sigma.items()}
    lengths = [high - low for low, high in spans.values()]
    common = max(lengths) <= _APART * min(lengths)
    everything = (min(low for low, _ in spans.values()), max(high for _, high in spans.values()))
    unit = f"difference in {metric.upper()}{', dB' if metric == 'psnr' else ''}"
    panels = []
    for place, (sigma, groups) in enumerate(by_sigma.items()):
        title = f"Differences in {metric.upper()} at {at_sigma(sigma)}"
        gist = "; ".join(
            f"{where} {one.label} {one.words}, {VERDICTS[one.verdict]}" for where, g in groups for one in g
        )
        span = everything if common else spans[sigma]
        chart = forest(f"effects-{metric}-{place}", title, gist, groups, span=span, unit=unit)
        panels.append(Panel(at_sigma(sigma) if not sigma else f"noise {at_sigma(sigma)}", chart))
    caption = (
        f"Difference in {metric.upper()} to the reference with its 95 % interval, right of the line where the level is "
        "higher. ▲ higher, ▼ lower, ◇ not ranked (no difference seen, a hint that did not survive the correction, or "
        f"one seed, whose interval speaks of images only). {'One scale' if common else 'A scale of its own'} "
        f"{'for all' if common else 'for each'} noise level{'s' * common}."
    )
    return Figure(f"effects-{metric}", caption, panels)


def _where(one: Comparison) -> str:
    decoding = DECODINGS.get(one.decoded_from[0], "")
    return ", ".join(part for part in (*one.where.values(), decoding) if part)


def _interval(one: Comparison) -> tuple[float, float]:
    return (one.images_low, one.images_high) if one.low is None or one.high is None else (one.low, one.high)


def _words(one: Comparison, *, unit: bool = False) -> str:
    digits = DIGITS[one.metric]
    low, high = (signed(end, digits).replace("+", "") for end in _interval(one))
    name = f" {UNITS[one.metric]}" if unit and UNITS[one.metric] else ""
    return f"{signed(one.difference, digits)}{name} [{low}, {high}]"


def _groups(comparisons: Sequence[Comparison]) -> list[tuple[str, list[Effect]]]:
    groups = []
    for where in in_order(_where(one) for one in comparisons):
        effects = [
            Effect(one.level, one.difference, *_interval(one), one.verdict, _words(one))
            for one in comparisons
            if _where(one) == where
        ]
        groups.append((where, effects))
    return groups


def _grid(study: StudyRecord) -> Grid:
    columns = (
        Column(study.comparisons_along, False), Column("where", False), Column("noise σ"), Column("metric", False),
        Column("difference"), Column("verdict", False), Column("p, Holm"), Column("p over images, Holm"),
        Column("seed spread"),
    )  # fmt: skip
    rows = []
    for place, one in enumerate(study.comparisons):
        rows.append(
            (
                Cell(f"{one.level} against {one.reference}", place),
                Cell(_where(one) or "–", _where(one)),
                Cell(f"{one.sigma:g}" if one.sigma else "clean", one.sigma),
                Cell(one.metric.upper(), one.metric),
                # Sorting by size would rank what must not be ranked.
                Cell(_words(one, unit=True), place),
                Cell(VERDICTS[one.verdict], list(VERDICTS).index(one.verdict)),
                _p(one.p_holm),
                _p(one.p_images),
                Cell("–" if one.seed_spread is None else f"{one.seed_spread:.{DIGITS[one.metric]}f}", one.seed_spread),
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
