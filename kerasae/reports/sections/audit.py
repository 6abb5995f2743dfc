"""What an audit found: in sentences, tables and curves."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from kerasae.records import Audit, CodecPoint, Estimate, GroupScore, MarkScore, ReportContent
from kerasae.records.audits import SEEN_CONTRAST, SEEN_SIZE
from kerasae.reports.charts import Axis, Chart, Figure, Line, Panel
from kerasae.reports.figures import draw, write
from kerasae.reports.sections.scores import p_cell
from kerasae.reports.tables import MISSING, Cell, Column, Details, Paragraph, Sentences, Table, number, table_of
from kerasae.reports.wording import in_order, signed

# What is said of each score: its name, its unit, and how many digits.
_SCORES = {
    "psnr": ("PSNR", " dB", 2),
    "ssim": ("SSIM", "", 3),
    "bits_per_pixel": ("bits per pixel", "", 3),
    "marks_kept": ("contrast kept of marks", "", 2),
}
ALPHA = 0.05
# Of fewer marks nothing is said.
_LEAST_MARKS = 10
# Files that differ by less have about as many bytes.
_ABOUT = 1.1


def audit_sentences(audit: Audit) -> list[tuple[str, str]]:
    """Return (``warning`` or nothing, sentence): marks that are lost first, then what models keep, then groups."""
    return [*_lost(audit), *_kept(audit), *_gaps(audit)]


def _models(audit: Audit) -> list[CodecPoint]:
    return [point for point in audit.points if point.beside is None]


def _of(audit: Audit, point: CodecPoint, **asked: Any) -> MarkScore | None:
    """Return what a codec makes of marks of one kind, size or contrast; ``asked`` names what is not all of them."""
    wanted = {"kind": None, "size": None, "contrast": None, "least": 0.0} | asked
    for one in audit.marks:
        same = (one.codec, one.quality, one.beside) == (point.codec, point.quality, point.beside)
        if same and all(getattr(one, key) == value for key, value in wanted.items()):
            return one
    return None


def _sizes(audit: Audit) -> list[int]:
    return sorted({one.size for one in audit.marks if one.size})


def _lost(audit: Audit) -> list[tuple[str, str]]:
    found = []
    for point in _models(audit):
        seen = [_of(audit, point, size=size, least=SEEN_CONTRAST) for size in _sizes(audit) if size >= SEEN_SIZE]
        known = [one for one in seen if one is not None and one.marks >= _LEAST_MARKS and one.retained.high is not None]
        lost = [f"{one.size} pixels {_share(one.retained)}" for one in known if one.retained.high < 0.5]
        if lost:
            found.append(
                f"{_named(point)} loses more than half of the contrast of marks that a person would see, of "
                f"{SEEN_CONTRAST:g} or more: it keeps of {', of '.join(lost)}."
            )
    return [("warning", sentence) for sentence in found]


def _kept(audit: Audit) -> list[tuple[str, str]]:
    found = []
    for point in _models(audit):
        for size in _sizes(audit):
            own = _of(audit, point, size=size, least=SEEN_CONTRAST)
            if own is None or own.marks < _LEAST_MARKS:
                continue
            words = (
                f"At {point.bits_per_pixel:.2f} bits per pixel {point.codec} keeps {_share(own.retained)} of the "
                f"contrast of {own.marks} marks of {size} pixels and contrast {SEEN_CONTRAST:g} or more"
            )
            beside = f"{point.codec} at {point.quality:g}"
            equal, larger = [], []
            for other in audit.points:
                one = _of(audit, other, size=size, least=SEEN_CONTRAST) if other.beside == beside else None
                if one is not None:
                    ratio = other.bytes_per_image / point.bytes_per_image
                    if 1 / _ABOUT <= ratio <= _ABOUT:
                        equal.append(f"{other.codec} {_share(one.retained)}")
                    else:
                        larger.append(f"{other.codec} with {ratio:.2g} times the bytes {_share(one.retained)}")
            parts = [words]
            parts += [f"of as many bytes {', '.join(equal)}"] if equal else []
            parts += [f"of the nearest number of bytes there is, {', '.join(larger)}"] if larger else []
            found.append(f"{'; '.join(parts)}.")
    return [("", sentence) for sentence in found]


def _gaps(audit: Audit) -> list[tuple[str, str]]:
    if not audit.groups:
        return []
    by_point = list(zip(audit.points, audit.groups, strict=True))
    own = [(point, row) for point, rows in by_point if point.beside is None for row in rows]
    tested = sum(row.p is not None for _, row in own)
    held = [(point, row) for point, row in own if row.p is not None and row.p < ALPHA]
    # Those who are served worse stand first.
    found = [
        _gap_in_words(by_point, point, row, tested)
        for point, row in sorted(held, key=lambda one: not _is_worse(one[1]))
    ]
    if tested and not held:
        widest = max(
            (row for _, row in own if row.gap and row.score == "psnr"), key=lambda row: row.gap.high - row.gap.low
        )
        half = (widest.gap.high - widest.gap.low) / 2
        found.append(
            f"Of {tested} gaps between groups none holds after correction for their number; one in PSNR had to be "
            f"larger than {half:.1f} dB to be seen in {widest.column} {widest.group} by itself."
        )
    first = audit.groups[0]
    for score in in_order(row.score for row in first):
        small = in_order(f"{row.column} {row.group}" for row in first if row.is_small and row.score == score)
        if small:
            found.append(f"Too few to say anything of, in {_SCORES[score][0]}: {_listed(small)}.")
    if not tested:
        found.append("No gap between groups could be tested: fewer than two groups have ten persons, or images, each.")
    return [("", sentence) for sentence in found]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")


def _is_worse(row: GroupScore) -> bool:
    """Return whether a group stands below the others: lower quality, or more bits."""
    return (row.gap.mean > 0) == (row.score == "bits_per_pixel")


def _gap_in_words(by_point: list, point: CodecPoint, row: GroupScore, tested: int) -> str:
    label, unit, digits = _SCORES[row.score]
    mean, low, high = (signed(end, digits) for end in (row.gap.mean, row.gap.low, row.gap.high))
    beside = []
    for other, rows in by_point:
        for one in rows if other.beside == f"{point.codec} at {point.quality:g}" else ():
            if (one.column, one.group, one.score) == (row.column, row.group, row.score) and one.beyond is not None:
                more = ", ".join(signed(end, digits) for end in (one.beyond.low, one.beyond.high))
                beside.append(
                    f"{other.codec} {signed(one.gap.mean, digits)}, the model {signed(one.beyond.mean, digits)} "
                    f"beyond [{more}]"
                )
    served = "worse" if _is_worse(row) else "better"
    return (
        f"{point.codec} at {point.quality:g} serves {row.column} {row.group} ({row.images} images) {served}: {label} "
        f"is {mean}{unit} [{low}, {high}] from that of all others, p {p_cell(row.p).text} corrected for {tested} gaps"
        + (f"; beside it {'; '.join(beside)}." if beside else ".")
    )


def _named(point: CodecPoint) -> str:
    return f"{point.codec} at quality {point.quality:g} ({point.bits_per_pixel:.2f} bits per pixel)"


def _share(one: Estimate) -> str:
    mean, low, high = (None if end is None else round(100 * end) for end in (one.mean, one.low, one.high))
    return f"{mean} %" if low is None else f"{mean} % [{low}, {high}]".replace("-", "−")


def _interval(one: Estimate, form: str) -> Cell:
    interval = "" if one.low is None else f"[{one.low:{form}}, {one.high:{form}}]".replace("-", "−")
    return Cell(f"{one.mean:{form}}".replace("-", "−"), one.mean, interval=interval)


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
            (Column("p, Holm"), _p),
        ]
        caption = "Groups of fewer than ten persons, or images, are named and not ranked."
        tables.append(table_of(rows, fields, caption, title=title, ident=f"audit-groups-{place}"))
    return tables


def _gap(row: GroupScore) -> Cell:
    if row.is_small:
        return Cell("too few")
    return MISSING if row.gap is None else _interval(row.gap, f"+.{_SCORES[row.score][2]}f")


def _p(row: GroupScore) -> Cell:
    holds = row.p is not None and row.p < ALPHA
    return replace(p_cell(row.p), style="bold") if holds else p_cell(row.p)


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
        (Column("leakage", wide=True), lambda one: number(one.leakage, ".2f")),
        (Column("PSNR inside", wide=True), lambda one: number(one.psnr_inside, ".1f")),
        (Column("AUC"), lambda one: number(one.auc, ".2f")),
        (Column("AUC, originals"), lambda one: number(one.auc_of_originals, ".2f")),
        (Column("false marks"), lambda one: number(one.false_marks, ".2f")),
        (Column("bytes a mark", wide=True), lambda one: number(one.bytes_cost, ".1f")),
    ]
    caption = (
        "Contrast kept: 1 where all of it comes back. Leakage: energy that the mark adds elsewhere, by its own, "
        "median. AUC: how well a matched filter tells marked from unmarked reconstructions, 0.5 by chance; beside that "
        "of the originals, which is what the pictures allow. False marks: unmarked reconstructions in which it sees "
        "one at the place of the mark, where it errs on 5 % of the originals."
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
        contrasts = sorted({one.contrast for one in audit.marks if one.contrast})
        rows = [
            [Cell(f"{size} px"), *(_shaded(_of(audit, point, size=size, contrast=one)) for one in contrasts)]
            for size in _sizes(audit)
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
    if one.least:
        return f"{one.size} px, {one.least:g} or more"
    return (
        " ".join(part for part in (one.size and f"{one.size} px", one.contrast and f"{one.contrast:g}") if part)
        or "all"
    )


# === Curves ===


def audit_figure(audit: Audit, ident: str = "audit-marks") -> Figure:
    """Return retained contrast against bits per pixel, a panel for each size of marks strong enough to be seen."""
    panels = []
    for size in _sizes(audit):
        lines = []
        for look, codec in enumerate(in_order(point.codec for point in audit.points), start=1):
            own = {
                point.bits_per_pixel: _of(audit, point, size=size, least=SEEN_CONTRAST)
                for point in audit.points
                if point.codec == codec
            }
            pairs = sorted((bits, one.retained) for bits, one in own.items() if one is not None)
            points = [(bits, retained.mean) for bits, retained in pairs]
            band = [
                (retained.mean, retained.mean) if retained.low is None else (retained.low, retained.high)
                for _, retained in pairs
            ]
            is_model = any(point.codec == codec and point.beside is None for point in audit.points)
            lines.append(Line(codec, (look - 1) % 7 + 1, points, band if is_model else (), "" if is_model else "thin"))
        gist = "; ".join(
            f"{one.label}: {one.points[0][1]:.2f} to {one.points[-1][1]:.2f}" for one in lines if one.points
        )
        title = f"Contrast kept of marks of {size} pixels, against bits per pixel"
        axis = Axis("bits per pixel", log=True)
        ends = [end for line in lines for pair in line.band for end in pair] or [0.0]
        y_axis = Axis("contrast kept", span=(min(0.0, *ends), max(1.1, *ends)))
        panels.append(Panel(f"{size} pixels", Chart(title, gist, axis, y_axis, lines)))
    caption = (
        f"Share of the contrast that comes back of drawn marks of contrast {SEEN_CONTRAST:g} or more, by their size; "
        "bands are 95 % intervals of the models. Classical codecs beside the models, each at the nearest bytes that "
        "it has."
    )
    return Figure(ident, caption, panels, names_at_ends=True)


def audit_curves(path: Path, audit: Audit) -> None:
    """Write ``audit_figure`` as PNG."""
    write(draw(audit_figure(audit), f"{audit.label}: contrast of marks that is kept"), path)


# === On the page ===


def audits(content: ReportContent) -> list[Any]:
    """Return, for each audit, its sentences, the curves of marks, and its tables."""
    blocks: list[Any] = []
    for place, audit in enumerate(content.audits):
        noise = f", noise of σ {audit.sigma:g}" if audit.sigma else ""
        blocks.append(Paragraph(f"{audit.label}, {audit.images:,} images, marks of seed {audit.seed}{noise}:"))
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
