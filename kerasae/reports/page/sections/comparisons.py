"""What differs from what, and by how much."""

from kerasae.records import Comparison, ReportContent, StudyRecord
from kerasae.reports.page.blocks import Details, Paragraph, Section, Sentences, Table
from kerasae.reports.page.sections.effects import METRICS, VERDICTS, effects_figure, where, words
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import in_order


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
