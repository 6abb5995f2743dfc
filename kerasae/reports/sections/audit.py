"""What an audit found: in sentences, tables and curves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasae.records import Audit, CodecPoint, Estimate, GroupScore, MarkScore, ReportContent
from kerasae.records.audits import SEEN_CONTRAST, SEEN_SIZE
from kerasae.reports.charts import Axis, Chart, Figure, Line, Panel
from kerasae.reports.figures import draw, write
from kerasae.reports.tables import MISSING, Cell, Column, Details, Sentences, Table, number, table_of
from kerasae.reports.wording import in_order, signed

# What is said of each score: its name, its unit, and how many digits.
_SCORES = {
    "psnr": ("PSNR", " dB", 2),
    "ssim": ("SSIM", "", 3),
    "bits_per_pixel": ("bits per pixel", "", 3),
    "marks_kept": ("contrast kept of marks", "", 2),
}
ALPHA = 0.05
# Files that differ by less have about as many bytes.
_ABOUT = 1.1


def audit_sentences(audit: Audit) -> list[tuple[str, str]]:
    """Return (``warning`` or nothing, sentence): marks that are lost first, then what models keep, then groups."""
    return [*_lost(audit), *_kept(audit), *_gaps(audit)]


def _models(audit: Audit) -> list[CodecPoint]:
    return [point for point in audit.points if point.beside is None]


def _of(audit: Audit, point: CodecPoint, **asked: Any) -> MarkScore | None:
    """Return what a codec makes of marks of one kind, size or contrast; ``asked`` names what is not all of them."""
    wanted = {"kind": None, "size": None, "contrast": None} | asked
    for one in audit.marks:
        same = (one.codec, one.quality, one.beside) == (point.codec, point.quality, point.beside)
        if same and all(getattr(one, key) == value for key, value in wanted.items()):
            return one
    return None


def _seen(audit: Audit, point: CodecPoint) -> list[MarkScore]:
    """Return the scores by size and contrast of marks that a person would see."""
    return [
        one
        for one in audit.marks
        if (one.codec, one.quality, one.beside) == (point.codec, point.quality, point.beside)
        and (one.size or 0) >= SEEN_SIZE
        and (one.contrast or 0) >= SEEN_CONTRAST
    ]


def _lost(audit: Audit) -> list[tuple[str, str]]:
    found = []
    for point in _models(audit):
        lost = [one for one in _seen(audit, point) if one.retained.mean < 0.5]
        if lost:
            worst = min(lost, key=lambda one: one.retained.mean)
            found.append(
                f"{_named(point)} loses more than half of marks that a person would see: those of {worst.size} pixels "
                f"and contrast {worst.contrast:g} keep {_share(worst.retained)} of their contrast"
                + (
                    f"; {len(lost) - 1} more pair{'s' * (len(lost) > 2)} of size and contrast below half."
                    if lost[1:]
                    else "."
                )
            )
    return [("warning", sentence) for sentence in found]


def _kept(audit: Audit) -> list[tuple[str, str]]:
    found = []
    for point in _models(audit):
        for size in sorted({one.size for one in audit.marks if one.size}):
            own = _of(audit, point, size=size, contrast=SEEN_CONTRAST)
            if own is None:
                continue
            words = (
                f"At {point.bits_per_pixel:.2f} bits per pixel {point.codec} keeps {_share(own.retained)} of the "
                f"contrast of marks of {size} pixels and contrast {SEEN_CONTRAST:g}"
            )
            beside = f"{point.codec} at {point.quality:g}"
            others = [(other, _of(audit, other, size=size, contrast=SEEN_CONTRAST)) for other in audit.points]
            named = [
                f"{other.codec} {_share(one.retained)}{_more(point, other)}"
                for other, one in others
                if one and other.beside == beside
            ]
            found.append(words + (f"; of as many bytes {', '.join(named)}." if named else "."))
    return [("", sentence) for sentence in found]


def _gaps(audit: Audit) -> list[tuple[str, str]]:
    if not audit.groups:
        return []
    found = []
    by_point = list(zip(audit.points, audit.groups, strict=True))
    for point, rows in by_point:
        if point.beside is not None:
            continue
        held = [row for row in rows if row.p is not None and row.p < ALPHA]
        for score in in_order(row.score for row in held):
            # The worst group: of lowest quality, or of most bits.
            sign = -1 if score == "bits_per_pixel" else 1
            row = min((row for row in held if row.score == score), key=lambda row: sign * row.gap.mean)
            label, unit, digits = _SCORES[row.score]
            same = [
                f"{other.codec} {signed(one.gap.mean, digits)}"
                for other, theirs in by_point
                for one in theirs
                if other.beside == f"{point.codec} at {point.quality:g}" and one.gap is not None
                if (one.column, one.group, one.score) == (row.column, row.group, row.score)
            ]
            mean, low, high = (signed(end, digits) for end in (row.gap.mean, row.gap.low, row.gap.high))
            found.append(
                f"{point.codec} at {point.quality:g}: {label} of {row.column} {row.group} is {mean}{unit} [{low}, "
                f"{high}] from that of all others, p {_p(row.p).text} corrected"
                + (f"; of as many bytes {', '.join(same)}." if same else ".")
            )
    found = found or ["No gap between groups holds after correction for their number."]
    small = in_order(f"{row.column} {row.group}" for row in audit.groups[0] if row.is_small and row.score == "psnr")
    found += [f"Too few to say anything of: {', '.join(small)}."] if small else []
    return [("", sentence) for sentence in found]


def _more(point: CodecPoint, other: CodecPoint) -> str:
    """Return in words what a classical codec took where it has nothing of about as many bytes."""
    ratio = other.bytes_per_image / point.bytes_per_image
    return "" if 1 / _ABOUT <= ratio <= _ABOUT else f" (in {ratio:.2g} times the bytes, the nearest there are)"


def _named(point: CodecPoint) -> str:
    return f"{point.codec} at quality {point.quality:g} ({point.bits_per_pixel:.2f} bits per pixel)"


def _share(one: Estimate) -> str:
    mean, low, high = (None if end is None else round(100 * end) for end in (one.mean, one.low, one.high))
    return f"{mean} %" if low is None else f"{mean} % [{low}, {high}]".replace("-", "−")


def _interval(one: Estimate, form: str) -> Cell:
    interval = "" if one.low is None else f"[{one.low:{form}}, {one.high:{form}}]".replace("-", "−")
    return Cell(f"{one.mean:{form}}".replace("-", "−"), one.mean, interval=interval)


def _p(value: float | None) -> Cell:
    if value is None:
        return MISSING
    return Cell("< 0.001" if value < 0.001 else f"{value:.3f}", value, style="bold" if value < ALPHA else "")


# === Tables ===


def audit_tables(audit: Audit) -> list[Table]:
    """Return the tables of points, of groups where there are any, and of marks."""
    who = f"{audit.images:,} images"
    who += f" of {audit.persons:,} persons (column {audit.person_column})" if audit.persons else ""
    points = table_of(
        audit.points,
        [
            (Column("codec", False, label=True), lambda one: Cell(one.codec)),
            (Column("quality", label=True), lambda one: number(one.quality, "g")),
            (Column("bytes/image"), lambda one: number(one.bytes_per_image, ",.0f")),
            (Column("bits/pixel"), lambda one: number(one.bits_per_pixel, ".3f")),
            (Column("PSNR, dB"), lambda one: _interval(one.psnr, ".2f")),
            (Column("SSIM"), lambda one: _interval(one.ssim, ".3f")),
        ],
        "A classical codec stands beneath the model whose mean bytes it was given. Intervals of 95 % over persons, or "
        "images where persons are not known.",
        title=f"{audit.label}, {who}",
        ident="audit-points",
        bold=lambda one: one.beside is None,
    )
    return [points, *_group_tables(audit), *_mark_tables(audit)]


def _group_tables(audit: Audit) -> list[Table]:
    tables = []
    for place, (point, rows) in enumerate(zip(audit.points, audit.groups, strict=bool(audit.groups))):
        beside = f", of as many bytes as {point.beside}" if point.beside else ""
        title = f"groups: {point.codec} at {point.quality:g}{beside}"
        fields = [
            (Column("column", False, once=True), lambda row: Cell(row.column)),
            (Column("group", False), lambda row: Cell(row.group)),
            (Column("score", False), lambda row: Cell(_SCORES[row.score][0])),
            (Column("images"), lambda row: number(row.images, ",")),
            (Column("persons", wide=True), lambda row: number(row.value.units, ",")),
            (Column("mean"), lambda row: _interval(row.value, f".{_SCORES[row.score][2]}f")),
            (Column("gap to all others"), _gap),
            (Column("p, Holm"), lambda row: _p(row.p)),
        ]
        caption = "Groups of fewer than ten persons, or images, are named and not ranked."
        tables.append(table_of(rows, fields, caption, title=title, ident=f"audit-groups-{place}"))
    return tables


def _gap(row: GroupScore) -> Cell:
    return (
        Cell("too few")
        if row.is_small
        else MISSING
        if row.gap is None
        else _interval(row.gap, f"+.{_SCORES[row.score][2]}f")
    )


def _mark_tables(audit: Audit) -> list[Table]:
    if not audit.marks:
        return []
    chosen = [one for one in audit.marks if one.size is None or one.contrast is None]
    fields = [
        (Column("codec", False, once=True), lambda one: Cell(one.codec)),
        (Column("quality", once=True), lambda one: number(one.quality, "g")),
        (Column("marks", False), lambda one: Cell(_which(one))),
        (Column("number", wide=True), lambda one: number(one.marks, ",")),
        (Column("contrast kept"), lambda one: _interval(one.retained, ".2f")),
        (Column("leakage"), lambda one: number(one.leakage, ".2f")),
        (Column("PSNR inside", wide=True), lambda one: number(one.psnr_inside, ".1f")),
        (Column("AUC"), lambda one: number(one.auc, ".2f")),
        (Column("AUC, originals", wide=True), lambda one: number(one.auc_of_originals, ".2f")),
        (Column("false marks"), lambda one: number(one.false_marks, ".2f")),
        (Column("bytes a mark", wide=True), lambda one: number(one.bytes_cost, ".1f")),
    ]
    caption = (
        "Contrast kept: 1 where all of it comes back. Leakage: energy that the mark adds elsewhere, by its own, "
        "median. AUC: how well a matched filter tells marked from unmarked reconstructions, 0.5 by chance. False "
        "marks: unmarked reconstructions in which it sees one, where 0.05 of the originals are."
    )
    return [
        table_of(
            chosen, fields, caption, title="marks", ident="audit-marks-table", bold=lambda one: _which(one) == "all"
        )
    ]


def _maps(audit: Audit, ident: str) -> list[Table]:
    """Return, for each model and quality, what is kept of marks by size and contrast, shaded."""
    tables = []
    for place, point in enumerate(_models(audit)):
        sizes = sorted({one.size for one in audit.marks if one.size})
        contrasts = sorted({one.contrast for one in audit.marks if one.contrast})
        rows = [
            [Cell(f"{size} px"), *(_shaded(_of(audit, point, size=size, contrast=one)) for one in contrasts)]
            for size in sizes
        ]
        columns = [Column("size", False), *(Column(f"{contrast:g}") for contrast in contrasts)]
        caption = f"Contrast kept of marks by size and contrast: {_named(point)}. The darker, the more."
        tables.append(Table(caption, columns, rows, ident=f"{ident}-{place}"))
    return tables


def _shaded(one: MarkScore | None) -> Cell:
    if one is None:
        return MISSING
    return replace(_interval(one.retained, ".2f"), shade=1 + min(4, max(0, int(5 * one.retained.mean))))


def _which(one: MarkScore) -> str:
    if one.kind:
        return one.kind
    return (
        " ".join(part for part in (one.size and f"{one.size} px", one.contrast and f"{one.contrast:g}") if part)
        or "all"
    )


# === Curves ===


def audit_figure(audit: Audit, ident: str = "audit-marks") -> Figure:
    """Return retained contrast against bits per pixel, a panel for each size of marks, all contrasts together."""
    panels = []
    for size in sorted({one.size for one in audit.marks if one.size}):
        lines = []
        for look, codec in enumerate(in_order(point.codec for point in audit.points), start=1):
            own = {point.bits_per_pixel: _of(audit, point, size=size) for point in audit.points if point.codec == codec}
            pairs = sorted((bits, one.retained) for bits, one in own.items() if one is not None)
            points = [(bits, retained.mean) for bits, retained in pairs]
            band = [(retained.low or retained.mean, retained.high or retained.mean) for _, retained in pairs]
            is_model = any(point.codec == codec and point.beside is None for point in audit.points)
            lines.append(Line(codec, (look - 1) % 7 + 1, points, band if is_model else (), "" if is_model else "thin"))
        gist = "; ".join(
            f"{one.label}: {one.points[0][1]:.2f} to {one.points[-1][1]:.2f}" for one in lines if one.points
        )
        title = f"Contrast kept of marks of {size} pixels, against bits per pixel"
        axis = Axis("bits per pixel, whole files (logarithmic)", log=True)
        panels.append(Panel(f"{size} pixels", Chart(title, gist, axis, Axis(span=(0.0, 1.1)), lines)))
    caption = "Share of the contrast of drawn marks that comes back, by their size; bands are 95 % intervals."
    return Figure(ident, caption, panels)


def audit_curves(path: Path, audit: Audit) -> None:
    """Write ``audit_figure`` as PNG."""
    write(draw(audit_figure(audit), f"{audit.label}: contrast of marks that is kept"), path)


# === On the page ===


def audits(content: ReportContent) -> list[Any]:
    """Return, for each audit, its sentences, the curves of marks, and its tables."""
    blocks: list[Any] = []
    for place, audit in enumerate(content.audits):
        blocks.append(Sentences([("", sentence) for _, sentence in audit_sentences(audit)]))
        if audit.marks:
            blocks.append(audit_figure(audit, f"audit-marks-{place}"))
            blocks.append(Details("By size and contrast", _maps(audit, f"audit-map-{place}")))
        tables = [
            replace(one, ident=f"{one.ident}-{place}", caption=f"{one.title}. {one.caption}")
            for one in audit_tables(audit)
        ]
        blocks.append(Details("Codecs, groups and marks as tables", tables))
    return blocks


def warnings(content: ReportContent) -> tuple[str, ...]:
    """Return what the first lines of the page must say: where marks that a person would see are lost."""
    return tuple(sentence for audit in content.audits for kind, sentence in audit_sentences(audit) if kind)
