"""The curves of reports: losses over epochs, quality over noise, quality over rate. Files and page draw the same."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kerasae.metrics.registry import METRICS, Metric
from kerasae.records import CellScore, ComparedScore, RatePoint, ReportContent, RunComparison, RunContent, Score
from kerasae.reports.charts import LOOKS, Axis, Chart, Effect, Figure, Forest, Line, Mark, Panel
from kerasae.reports.score_tables import letters
from kerasae.reports.wording import (
    DECODINGS,
    at_sigma,
    in_order,
    is_exact,
    is_reference,
    measured_metrics,
    signed,
    with_decoding,
)


@dataclass(frozen=True)
class Series:
    """One cell of a study (or one run), decoded in one way.

    Lines of the same ``panel`` are drawn together and told apart by ``label`` and ``look``; ``cell`` names the line
    where it stands alone. ``scores`` are in the order of sigma. Past the last look they begin again, thin.
    """

    panel: str
    label: str
    look: int
    cell: str
    decoded_from: str
    scores: tuple[Score | CellScore, ...]
    runs: tuple[RunContent, ...]
    weight: str = ""


def series_of(content: ReportContent) -> list[Series]:
    """Return every line of the report; the levels that a study compares share a panel."""
    return _of_study(content) if content.study else _of_runs(content)


def panels_of(series: list[Series]) -> dict[str, list[Series]]:
    """Return the lines by panel, in order."""
    return {panel: [one for one in series if one.panel == panel] for panel in in_order(one.panel for one in series)}


def one_per_cell(series: list[Series]) -> list[Series]:
    """Return the first way of decoding of each cell."""
    first: dict[str, Series] = {}
    for one in series:
        first.setdefault(one.cell, one)
    return list(first.values())


def _by_sigma(scores):
    return tuple(sorted(scores, key=lambda score: score.sigma))


def _of_study(content: ReportContent) -> list[Series]:
    study = content.study
    runs = {run.record.name: run for run in content.runs}
    along = next((axis for axis in study.comparisons_along if axis in study.axes), list(study.axes)[-1])
    found = []
    for cell in study.cells:
        own = [score for score in study.scores if score.levels == cell.levels]
        for decoded_from in in_order(score.decoded_from for score in own):
            where = [level for axis, level in cell.levels.items() if axis != along]
            panel = ", ".join(part for part in (*where, DECODINGS.get(decoded_from, "")) if part)
            place = study.axes[along].index(cell.levels[along])
            scores = _by_sigma(score for score in own if score.decoded_from == decoded_from)
            runs_of_cell = tuple(runs[name] for name in cell.runs if name in runs)
            look, label = place % LOOKS + 1, cell.levels[along]
            weight = "thin" if place >= LOOKS else ""
            found.append(Series(panel, label, look, cell.label, decoded_from, scores, runs_of_cell, weight))
    return found


def _of_runs(content: ReportContent) -> list[Series]:
    found = []
    for run in content.runs:
        scores = [score for score in run.scores if not is_reference(score)]
        splits = in_order(score.split for score in scores)
        split = "test" if "test" in splits else next(iter(splits), "")
        own = [score for score in scores if score.split == split]
        # A run that was not scored still has a training to show.
        for decoded_from in in_order(score.decoded_from for score in own) or [""]:
            name = run.record.name if len(content.runs) > 1 else ""
            label = ", ".join(part for part in (name, DECODINGS.get(decoded_from, "")) if part) or run.record.name
            chosen = _by_sigma(score for score in own if score.decoded_from == decoded_from)
            look = len(found) % LOOKS + 1
            found.append(Series("", label, look, run.record.name, decoded_from, chosen, (run,)))
    return found


def series_of_scores(scores: Sequence[Score]) -> list[Series]:
    """Return a line for each run and way of decoding among ``scores``, in one panel; without those of doing nothing."""
    found: dict[tuple[str, str], list[Score]] = {}
    for score in scores:
        if not is_reference(score):
            found.setdefault((score.run, score.decoded_from), []).append(score)
    ways = Counter(run for run, _ in found)
    series = []
    for place, ((run, way), own) in enumerate(found.items()):
        label = f"{run}, {way}" if ways[run] > 1 else run
        weight = "thin" if place >= LOOKS else ""
        series.append(Series("", label, place % LOOKS + 1, label, way, _by_sigma(own), (), weight))
    return series


def reference_scores(scores: Iterable[Score | CellScore]) -> list[Score | CellScore]:
    """Return what doing nothing scores, by sigma; the clean image against itself is left out."""
    once = {score.sigma: score for score in reversed([*scores]) if is_reference(score) and not is_exact(score)}
    return [once[sigma] for sigma in sorted(once)]


def references_of(content: ReportContent) -> list[Score | CellScore]:
    """Return what doing nothing scores on the images of the report."""
    if content.study:
        return reference_scores(content.study.do_nothing)
    return reference_scores([*content.do_nothing, *(score for run in content.runs for score in run.scores)])


History = Sequence[Mapping[str, float | None]]

# heading, and the columns of the history with their labels; what stays 0 is left out
_TERMS = (
    ("validation MSE", {"validation": "val_mse", "decoded from a sample": "val_mse_sample"}),
    ("loss", {"training": "loss", "validation": "val_loss"}),
    ("distortion", {"training": "distortion", "validation": "val_distortion"}),
    ("rate, nats", {"training": "rate", "validation": "val_rate"}),
    ("weight penalty", {"training": "penalty", "validation": "val_penalty"}),
)
_LOSS_LOOKS = {"training": 2, "validation": 1, "decoded from a sample": 3}
_LOG_FROM = 5.0  # a curve that spans more than this factor shows its end on a logarithmic axis only


def loss_figure(history: History, best_epoch: float | None = None) -> Figure:
    """Return the validation error and the terms of the loss over epochs, a panel each; terms that stay 0 are left out.

    Args:
        history: one row per epoch with ``epoch`` and any of ``loss``, ``distortion``, ``rate``, ``penalty``, each also
            with ``val_`` before it, ``val_mse`` and ``val_mse_sample``; values may be missing or not finite.
        best_epoch: the epoch whose weights were kept, marked; the one with the lowest ``val_mse`` if None or missing.
    """
    terms = [(name, {label: points_of(history, key) for label, key in keys.items()}) for name, keys in _TERMS]
    said = {name for name, drawn in terms if any(map(_says, drawn.values()))}
    if not said & {"rate, nats", "weight penalty"} and "distortion" in said:
        said -= {"loss"}  # it is the distortion then
    best = _best(history, best_epoch)
    panels = []
    for name, drawn in terms:
        if name in said:
            lines = [Line(k, _LOSS_LOOKS[k], points, symbols=False) for k, points in drawn.items() if _says(points)]
            mark = []
            if best:
                text = f"best: epoch {best[0]:g}, {best[1]:.5f}" if name == "validation MSE" else ""
                mark = [Mark(best[0], "best", text)]
            chart = Chart(f"{name} over epochs", lowest(lines), Axis("epoch", whole=True), _y(lines), lines, marks=mark)
            panels.append(Panel(name, chart))
    caption = (
        "Validation error and the terms of what training minimised, over epochs; logarithmic where a curve spans a "
        f"factor of more than {_LOG_FROM:g}. The dotted line marks the epoch whose weights were kept."
    )
    return Figure("loss", caption, panels)


def validation_figure(series: Sequence[Series], caption: str) -> Figure:
    """Return the validation MSE over epochs of every run in ``series``, one of each cell, all on one kind of axis."""
    panels: dict[str, list[Line]] = {}
    for name, members in panels_of(series).items():
        # The ways of decoding do not matter here.
        name = name.removesuffix(", from the mean").removesuffix(", from a sample")
        for one in members:
            for run in one.runs:
                points = points_of(run.history, "val_mse")
                line = Line(one.label, one.look, points, (), "thin", False, f"seed {run.record.seed}")
                panels.setdefault(name, []).extend([line] if points else [])
    log = _y([line for lines in panels.values() for line in lines]).log
    drawn = []
    for name, lines in panels.items():
        if lines:
            axis = Axis("validation MSE" if name else "", log=log)
            title = f"Validation MSE over epochs{f': {name}' if name else ''}"
            drawn.append(
                Panel(name or "validation MSE", Chart(title, lowest(lines), Axis("epoch", whole=True), axis, lines))
            )
    return Figure("loss", f"{caption}{', logarithmic' if log else ''}.", drawn)


def points_of(history: History, key: str) -> list[tuple[float, float]]:
    """Return (epoch, value) for each row, NaN where a value is missing; nothing where all are."""
    pairs = [(row.get("epoch", place + 1), row.get(key)) for place, row in enumerate(history)]
    points = [(float(epoch), math.nan if value is None else float(value)) for epoch, value in pairs]
    return points if any(math.isfinite(value) for _, value in points) else []


def lowest(lines: Sequence[Line]) -> str:
    """Return in words where each line is lowest."""
    parts = []
    for line in lines:
        finite = [point for point in line.points if math.isfinite(point[1])]
        if finite:
            epoch, value = min(finite, key=lambda point: point[1])
            parts.append(f"{line.name}: lowest {value:.3g} at epoch {epoch:g}")
    return "; ".join(parts)


def _says(points):
    return any(math.isfinite(value) and value for _, value in points)


def _y(lines: Sequence[Line]) -> Axis:
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    return Axis(log=bool(values) and min(values) > 0 and max(values) > _LOG_FROM * min(values))


def _best(history: History, epoch: float | None) -> tuple[float, float] | None:
    """Return the epoch whose weights were kept and its validation MSE; a resumed or cut history may lack it."""
    points = [point for point in points_of(history, "val_mse") if math.isfinite(point[1])]
    kept = [point for point in points if point[0] == epoch]
    return kept[0] if kept else min(points, key=lambda point: point[1], default=None)


def noise_figure(
    metrics: Sequence[str], series: Sequence[Series], nothing: Sequence[Score | CellScore], *, ident: str = "noise-both"
) -> Figure:
    """Return each of ``metrics`` over the noise on the input, a panel for each of the panels of ``series``.

    The band is the 95 % interval of the mean; the reference is the noisy image itself (``nothing``), so that a model
    that does worse than nothing is seen.
    """
    names = " and ".join(METRICS[metric].label for metric in metrics)
    caption = (
        f"{names} against the clean image, mean with its 95 % interval as a band, over the noise on the input. The "
        "dotted line is the noisy image itself: where it is better, a model harms more than it helps."
    )
    panels = [panel for metric in metrics for panel in _noise_panels(metric, series, nothing)]
    return Figure(ident, caption, panels, names_at_ends=True)


def _noise_panels(metric: str, series: Sequence[Series], nothing: Sequence[Score | CellScore]) -> list[Panel]:
    about = METRICS[metric]
    reference = Line("do nothing", 0, [(one.sigma, one.metrics[metric].mean) for one in nothing], symbols=False)
    by_panel = panels_of(series) or {"": []}
    values = [summary.mean for one in series for summary in _summaries(one, metric)]
    log = not about.unit and not math.isfinite(about.high) and bool(values) and min(values) > 0
    y_axis = Axis(about.heading if all(by_panel) else "", log, span=_span(series, reference, metric, log))
    sigmas = in_order(sorted(score.sigma for score in (*nothing, *(s for one in series for s in one.scores))))
    panels = []
    for name, members in by_panel.items():
        lines = [_noise_line(one, metric) for one in members if one.scores]
        lines += [reference] if reference.points else []
        title = f"{about.label} against noise{f': {name}' if name else ''}"
        ends = [(line.label, *line.points[0], *line.points[-1]) for line in lines]
        gist = "; ".join(
            f"{label}: {about.format(first)} at σ {low:g}, {about.format(last)} at σ {high:g}"
            for label, low, first, high, last in ends
        )
        axis = Axis("σ of the noise on the input", ticks=sigmas)
        panels.append(Panel(name or about.heading, Chart(title, f"{gist}.", axis, y_axis, lines)))
    return panels


def _summaries(one: Series, metric: str):
    return [score.metrics[metric] for score in one.scores if metric in score.metrics]


def _noise_line(one: Series, metric: str) -> Line:
    scores = [score for score in one.scores if metric in score.metrics]
    points = [(score.sigma, score.metrics[metric].mean) for score in scores]
    band = [(score.metrics[metric].low, score.metrics[metric].high) for score in scores]
    return Line(one.label, one.look, points, band, one.weight, symbols=not one.weight)


def _span(series: Sequence[Series], reference: Line, metric: str, log: bool) -> tuple[float, float] | None:
    """Return what the y axes show, of all panels the same: all models, and all of doing nothing."""
    ends = [end for one in series for summary in _summaries(one, metric) for end in (summary.low, summary.high)]
    if not ends or log:
        return None
    ends += [value for _, value in reference.points]
    return min(ends), max(ends)


# The classical codecs keep their looks from one figure to the next; those of 4:4:4 have no symbols.
_CODEC_LOOKS = {
    "jpeg": 7, "jpeg-444": 7, "webp": 3, "avif": 4, "avif-444": 4, "jpeg2000": 5, "vvc": 5, "jpegxl": 6,
    "heic": 2, "heic-444": 2,
}  # fmt: skip


def curves_of(points: Sequence[RatePoint]) -> dict[str, list[RatePoint]]:
    """Return the points of each codec under its name, models first, in the order of their rates."""
    curves: dict[str, list[RatePoint]] = {}
    for point in points:
        name = f"{point.codec}, noise σ {point.sigma:g}" if point.sigma else point.codec
        curves.setdefault(name, []).append(point)
    ordered = sorted(curves.items(), key=lambda item: not is_model(item[1]))
    return {name: sorted(own, key=lambda point: point.bits_per_pixel) for name, own in ordered}


def is_model(points: Sequence[RatePoint]) -> bool:
    """Return whether points are of one of kerasae's models: only they have an estimate."""
    return any(point.estimated_bits_per_pixel is not None for point in points)


def rate_figure(points: Sequence[RatePoint], title: str, ident: str = "rate") -> Figure:
    """Return quality against bits per pixel on a logarithmic axis, a line per codec, models drawn thicker."""
    curves = curves_of(points)
    panels = []
    for metric in measured_metrics(points):
        lines = []
        for place, (name, own) in enumerate(curves.items()):
            pairs = [(one.bits_per_pixel, one.metrics[metric]) for one in own if one.metrics.get(metric) is not None]
            look = _CODEC_LOOKS.get(name, place % LOOKS + 1)
            weight = "thick" if is_model(own) else "thin"
            lines += [Line(name, look, pairs, (), weight, not name.endswith("-444"))] if pairs else []
        gist = "; ".join(
            f"{one.label}: {one.points[0][1]:.3g} at {one.points[0][0]:.3g} bits per pixel to {one.points[-1][1]:.3g} "
            f"at {one.points[-1][0]:.3g}"
            for one in lines
        )
        axis = Axis("bits per pixel, whole files (logarithmic)", log=True)
        chart = Chart(f"{METRICS[metric].label} against bits per pixel: {title}", gist, axis, Axis(), lines)
        panels.append(Panel(METRICS[metric].heading, chart))
    caption = (
        f"{title}: quality of the decoded image over bits per pixel of whole files, headers included, mean over "
        f"{max((point.images for point in points), default=0):,} images. Up and to the left is better. Thick: "
        "kerasae’s models; thin: classical codecs."
    )
    return Figure(ident, caption, panels, names_at_ends=True)


def run_comparison_figure(comparison: RunComparison) -> Figure:
    """Return each metric of compared runs: means with their intervals, then the differences from the first run.

    Rows are by split and noise; a difference whose interval leaves 0 out is marked as higher or lower, one without an
    interval, of runs that were not scored on the same images, as neither.
    """
    letter_of = dict(zip(comparison.runs, letters(comparison), strict=True))
    means, differences = [], []
    for name in measured_metrics(row.score for row in comparison.scores):
        about = METRICS[name]
        rows = [row for row in comparison.scores if name in row.score.metrics]
        means += _forest(f"{about.heading}, mean", about, [(row, _mean(about, row, letter_of)) for row in rows], False)
        paired = [(row, _difference(about, row, letter_of)) for row in rows if row.metrics.get(name)]
        differences += _forest(f"{about.heading}, less that of A", about, paired, True)
    caption = (
        "Means over images, and each run's difference from the first; lines are 95 % bootstrap intervals over images, "
        "of the paired differences where both were scored on the same."
    )
    return Figure("runs", caption, [*means, *differences])


def _forest(title: str, about: Metric, rows: Sequence[tuple[ComparedScore, Effect]], differs: bool) -> list[Panel]:
    """Return a panel of ``rows`` by split and noise, with 0 of differences; none where there are no rows."""
    groups: dict[str, list[Effect]] = {}
    for row, effect in rows:
        groups.setdefault(f"{row.score.split}, {at_sigma(row.score.sigma)}", []).append(effect)
    if not groups:
        return []
    gist = "; ".join(f"{where} {one.label} {one.words}" for where, group in groups.items() for one in group)
    ends = [end for _, one in rows for end in (one.low, one.high)] + [0.0] * differs
    span = min(ends), max(ends)
    return [Panel(title, Forest(title, gist, list(groups.items()), span, about.unit))]


def _mean(about: Metric, row: ComparedScore, letter_of: Mapping[str, str]) -> Effect:
    score, summary = row.score, row.score.metrics[about.name]
    label = with_decoding(letter_of[score.run], score.decoded_from)
    return Effect(label, summary.mean, summary.low, summary.high, "none", about.format(summary.mean))


def _difference(about: Metric, row: ComparedScore, letter_of: Mapping[str, str]) -> Effect:
    score, found = row.score, row.metrics[about.name]
    low, high = (found.mean if end is None else end for end in (found.low, found.high))
    verdict = "none" if found.low is None or low <= 0 <= high else "higher" if low > 0 else "lower"
    label = with_decoding(letter_of[score.run], score.decoded_from)
    return Effect(label, found.mean, low, high, verdict, signed(found.mean, about.difference_digits))
