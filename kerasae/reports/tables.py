"""Tables on a terminal."""

from collections import Counter
from collections.abc import Mapping, Sequence
from string import ascii_uppercase
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from kerasae.records import (
    BdRate,
    CellScore,
    ComparedScore,
    Difference,
    RatePoint,
    RunComparison,
    RunRecord,
    Score,
    StudyRecord,
    Summary,
)
from kerasae.reports.wording import DIGITS, written

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


METRICS = {"mse": "MSE", "psnr": "PSNR dB", "ssim": "SSIM"}


def score_table(scores: Sequence[Score], *, title: str, width: int | None = None) -> Table:
    """Return the scores of one or more runs, a row each, in the order given.

    A cell holds the mean over images ± their standard deviation, and beneath it the 95 % bootstrap interval of the
    mean. The KL divergence and the active units appear where a score has them.

    Args:
        scores: what was measured.
        title: what the table is of.
        width: columns to fit, those of the terminal if None; from 110 on, what a row is about spreads
            over columns of its own.
    """
    width = width or columns_of_terminal()
    table = plain_table(title)
    table.caption = _caption(scores, width)
    several_runs = len({score.run for score in scores}) > 1
    (_wide if width >= WIDE else _narrow)(table, scores, several_runs)
    return table


def _caption(scores, width):
    parts = ["mean ± std over images, [95 % interval of the mean]"]
    if any(score.kl_nats is not None for score in scores):
        parts.append("KL in nats per image")
    if any(score.bits_per_pixel is not None for score in scores):
        parts.append("bits per pixel as the entropy model estimates them, at the middle quality")
    if width < WIDE and any(score.active_units is not None for score in scores):
        parts.append("AU active units")
    return "; ".join(parts)


def _metric_columns(table):
    for heading in METRICS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("PSNR\nof mean\nMSE dB", justify="right", no_wrap=True)


def _metric_cells(score):
    cells = [with_spread(metric, getattr(score, metric)) for metric in METRICS]
    return [*cells, written("psnr", score.psnr_of_mean_mse)]


def _wide(table, scores, several_runs):
    if several_runs:
        table.add_column("run", max_width=28, overflow="fold")
    table.add_column("split")
    table.add_column("noise σ", justify="right")
    table.add_column("decoded\nfrom")
    table.add_column("images", justify="right")
    _metric_columns(table)
    with_kl = any(score.kl_nats is not None for score in scores)
    with_units = any(score.active_units is not None for score in scores)
    with_bits = any(score.bits_per_pixel is not None for score in scores)
    if with_bits:
        table.add_column("bits per\npixel", justify="right")
    if with_kl:
        table.add_column("KL", justify="right")
    if with_units:
        table.add_column("active\nunits", justify="right")
    for score in scores:
        cells = [score.run] if several_runs else []
        cells += [score.split, noise(score.sigma), score.decoded_from, f"{score.count:,}", *_metric_cells(score)]
        if with_bits:
            cells.append("" if score.bits_per_pixel is None else f"{score.bits_per_pixel:.3f}")
        if with_kl:
            cells.append("" if score.kl_nats is None else f"{score.kl_nats:.1f}")
        if with_units:
            cells.append("" if score.active_units is None else str(score.active_units))
        table.add_row(*cells)


def _narrow(table, scores, several_runs):
    table.add_column("split, images", max_width=18, overflow="fold")
    _metric_columns(table)
    for score in scores:
        about = Text(f"{score.run}\n" if several_runs else "", style="bold")
        about.append(f"{score.split}, {score.count:,}", style="not bold")
        sigma = f"σ {score.sigma:g}" if score.sigma else "clean"
        about.append(f"\n{score.decoded_from}, {sigma}", style="not bold dim")
        cost = [f"KL {score.kl_nats:.1f}"] if score.kl_nats is not None else []
        cost += [f"{score.bits_per_pixel:.3f} bpp"] if score.bits_per_pixel is not None else []
        cost += [f"AU {score.active_units}"] if score.active_units is not None else []
        if cost:
            about.append("\n" + ", ".join(cost), style="not bold dim")
        table.add_row(about, *_metric_cells(score))


HEADINGS = {"psnr": "PSNR", "ssim": "SSIM", "mse": "MSE"}


def sweep_table(
    scores: Sequence[Score],
    *,
    title: str = "Noise sweep",
    metrics: Sequence[str] = ("psnr", "ssim"),
    width: int | None = None,
) -> Table:
    """Return one row per run and way of decoding, one column per sigma; the do-nothing row comes last.

    The best PSNR of each column is bold; where that is the do-nothing row, decoding the image only harmed it.

    Args:
        scores: any number of sigmas per run; a cell that was not measured stays empty.
        title: what the table is of.
        metrics: from ``psnr``, ``ssim`` and ``mse``, one line each within a row, in this order.
        width: columns to fit, those of the terminal if None; the names of runs are folded to leave
            room for the numbers.
    """
    width = width or columns_of_terminal()
    table = plain_table(title)
    sigmas = sorted({score.sigma for score in scores})
    digits = 7 if "mse" in metrics else 5
    room = width - (digits + 1) * len(sigmas) - 5 - 3
    table.add_column("noise σ →", max_width=max(12, min(room, 40 if width < WIDE else 60)), overflow="fold")
    table.add_column("", no_wrap=True)
    for sigma in sigmas:
        table.add_column(noise(sigma), justify="right", no_wrap=True, min_width=5)
    rows = _sweep_rows(scores)
    best = {sigma: _best_psnr(scores, sigma) for sigma in sigmas}
    for (run, decoded_from), cells in rows.items():
        nothing = decoded_from == "input"
        about = Text("do nothing" if nothing else run, style="italic" if nothing else "")
        about.append("\nthe noisy image itself" if nothing else f"\nfrom {decoded_from}", style="dim")
        columns = [_sweep_cell(cells.get(sigma), metrics, best[sigma]) for sigma in sigmas]
        table.add_row(about, Text("\n".join(HEADINGS[metric] for metric in metrics), style="dim"), *columns)
    table.caption = "PSNR in dB, mean over images, against the clean image; bold: best of the column"
    return table


def _sweep_rows(scores):
    rows = {}
    for score in sorted(scores, key=lambda score: score.decoded_from == "input"):  # a stable sort: only that one moves
        # Doing nothing is the same for every run.
        key = ("", "input") if score.decoded_from == "input" else (score.run, score.decoded_from)
        rows.setdefault(key, {})[score.sigma] = score
    return rows


def _best_psnr(scores, sigma):
    return max((score.psnr.mean for score in scores if score.sigma == sigma and score.mse.mean > 0), default=None)


def _sweep_cell(score, metrics, best):
    if score is None or score.mse.mean == 0:  # the clean image against itself says nothing
        return Text("–", style="dim")
    text = Text(justify="right")
    for line, metric in enumerate(metrics):
        value = getattr(score, metric).mean
        style = "dim" if line else "bold" if metric == "psnr" and value == best else ""
        text.append(("\n" if line else "") + written(metric, value), style=style)
    return text


STYLES = {"finished": "green", "training": "cyan", "stopped": "yellow", "failed": "red"}


def runs_table(records: Sequence[RunRecord], *, title: str = "Runs", width: int | None = None) -> Table:
    """Return one row per run, in the order given.

    Args:
        records: what ``run.json`` says of each run.
        title: what the table is of.
        width: columns to fit, those of the terminal if None; below 110 the parameters, the latent
            ratio, the seed and the speed are left out.
    """
    width = width or columns_of_terminal()
    wide = width >= WIDE
    table = plain_table(title)
    table.add_column("run", overflow="fold")
    table.add_column("status", no_wrap=True)
    table.add_column("backend", no_wrap=True)
    for heading in ["epochs", "best", "time"] + ["seed", "parameters", "latent ratio", "images/s"] * wide:
        table.add_column(heading, justify="right", no_wrap=True)
    for record in records:
        name = Text(record.name)
        if record.message:
            name.append(f"\n{record.message}", style="dim")
        best = "–" if record.best_epoch is None else str(record.best_epoch)
        cells = [str(record.epochs_done), best, duration(record.training_seconds)]
        if wide:
            ratio, speed = f"{record.latent_ratio:g}", f"{record.images_per_second:,.0f}"
            cells += [str(record.seed), f"{record.parameters:,}", ratio, speed]
        table.add_row(name, Text(record.status, style=STYLES.get(record.status, "")), record.backend, *cells)
    return table


def ladder_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per step.

    Args:
        rows: mappings with ``step``, ``psnr`` in dB, ``bits_per_pixel``, ``default`` and, where there are qualities,
            ``quality``.
        title: what the table is of.
    """
    table = plain_table(title)
    with_quality = any("quality" in row for row in rows)
    for heading in ("step", *(["quality"] if with_quality else []), "PSNR dB", "bits per pixel"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        table.add_row(
            str(row["step"]),
            *([f"{row['quality']:g}"] if with_quality else []),
            f"{row['psnr']:.2f}",
            f"{row['bits_per_pixel']:.3f}",
            "default" if row["default"] else "",
            style="bold" if row["default"] else "",
        )
    table.caption = "of 8-bit training images; bits under the tables"
    return table


# More channels than this, as a dense latent has, are summed up.
_CHANNELS_SHOWN = 12


def inspection_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per image: its size, step, bytes, and the bits of each channel where they are known.

    Args:
        rows: as ``kerasae.codec.inspect_packed`` returns them.
        title: what the table is of.
    """
    table = plain_table(title)
    table.add_column("image", overflow="fold")
    for heading in ("size", "step", "bytes", "payload", "bits/pixel"):
        table.add_column(heading, justify="right", no_wrap=True)
    known = any("bits_per_channel" in row for row in rows)
    if known:
        table.add_column("escapes", justify="right", no_wrap=True)
        table.add_column("bits per channel", overflow="fold")
    for row in rows:
        size = f"{row['height']}×{row['width']}×{row['channels']}"
        # A name may hold brackets, which are no markup, and bytes that are no text.
        name = Text(row["name"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"))
        cells = [name, size, str(row["step"]), f"{row['bytes']:,}", f"{row['payload_bytes']:,}"]
        cells.append(f"{row['bits_per_pixel']:.3f}")
        if known:
            cells += [f"{row['escapes']:,}", _channels(row["bits_per_channel"])]
        table.add_row(*cells)
    table.caption = "bytes and bits/pixel: of the image as a file of its own; in an archive it takes fewer"
    return table


def _channels(bits: Sequence[float]) -> str:
    if len(bits) <= _CHANNELS_SHOWN:
        return " ".join(f"{value:,.0f}" for value in bits)
    largest = sorted(bits, reverse=True)
    used = sum(value >= 0.1 for value in bits)
    return f"{used} of {len(bits)} channels cost 0.1 bits or more; the largest {largest[0]:.1f}, {largest[1]:.1f}"


def plan_table(rows: Sequence[dict], *, title: str) -> Table:
    """Return the runs of a planned study: ``run``, ``backend``, ``done`` and, where it is known, ``seconds``."""
    table = plain_table(title)
    table.add_column("run", overflow="fold")
    table.add_column("backend", no_wrap=True)
    table.add_column("", no_wrap=True)
    for row in rows:
        seconds = row["seconds"]
        state = "done" if row["done"] else "to do" if seconds is None else f"about {seconds:.0f} s"
        table.add_row(row["run"], row["backend"], Text(state, style="green" if row["done"] else ""))
    return table


RATE_METRICS = {"psnr": "PSNR", "psnr_of_mean_mse": "PSNR of mean MSE", "ssim": "SSIM"}


def rate_table(points: Sequence[RatePoint], *, title: str, width: int | None = None) -> Table:
    """Return one row per codec and quality, in the order given.

    Args:
        points: of any number of codecs.
        title: what the table is of.
        width: columns to fit, those of the terminal if None; below 110 the speeds and the bits by estimate and
            payload are left out.
    """
    wide = (width or columns_of_terminal()) >= WIDE
    table = plain_table(title)
    table.add_column("codec", overflow="fold")
    headings = ["quality", "bytes", "bits/pixel", "PSNR", "of mean MSE", "SSIM"]
    with_ms_ssim = any(point.ms_ssim is not None for point in points)
    headings += ["MS-SSIM"] * with_ms_ssim + ["payload", "estimate", "enc/s", "dec/s"] * wide
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    last = None
    for point in points:
        if last not in (None, point.codec):
            table.add_section()
        cells = [
            f"{point.quality:g}",
            f"{point.bytes_per_image:,.0f}",
            f"{point.bits_per_pixel:.3f}",
            f"{point.psnr:.2f}",
            f"{point.psnr_of_mean_mse:.2f}",
            _or_dash(point.ssim, ".3f"),
        ]
        cells += [_or_dash(point.ms_ssim, ".4f")] * with_ms_ssim
        if wide:
            cells += [_or_dash(point.payload_bits_per_pixel, ".3f"), _or_dash(point.estimated_bits_per_pixel, ".3f")]
            cells += [f"{point.encode_images_per_second:,.0f}", f"{point.decode_images_per_second:,.0f}"]
        name = Text(point.codec if point.codec != last else "", style="bold")
        table.add_row(name, *cells, style="bold" if point.settings.get("default") else "")
        last = point.codec
    images = points[0].images if points else 0
    table.caption = (
        f"{images:,} images; whole files, headers included; PSNR in dB, mean over images; quality of a model: its step"
    )
    return table


def bd_rate_table(rows: Sequence[BdRate], *, title: str = "BD-rate") -> Table:
    """Return one row per pair of codecs, a column per metric; a dash where it is refused, with the reasons below."""
    table = plain_table(title)
    table.add_column("codec", overflow="fold")
    table.add_column("against", no_wrap=True)
    for heading in RATE_METRICS.values():
        table.add_column(heading, justify="right", no_wrap=True)
    pairs: dict[tuple[str, str], dict[str, BdRate]] = {}
    for row in rows:
        pairs.setdefault((row.codec, row.against), {})[row.metric] = row
    last, refused = None, False
    for (codec, against), found in pairs.items():
        cells = [_percent(found.get(metric), metric) for metric in RATE_METRICS]
        refused |= any(one.bd_rate_percent is None for one in found.values())
        table.add_row("" if codec == last else codec, against, *cells)
        last = codec
    table.caption = "bits at equal quality, negative is better; beneath it the qualities that both curves reach" + (
        "; – where they share too little" if refused else ""
    )
    return table


def _percent(row: BdRate | None, metric: str) -> Text:
    if row is None or row.bd_rate_percent is None:
        return Text("–", style="dim")
    text = Text(justify="right")
    text.append(f"{row.bd_rate_percent:+.1f} %", style="green" if row.bd_rate_percent < 0 else "")
    low, high = row.overlap
    written = f"\n{low:.3f}–{high:.3f}" if metric == "ssim" else f"\n{low:.1f}–{high:.1f} dB"
    return text.append(written, style="dim")


def _or_dash(value: float | None, form: str) -> str:
    return "–" if value is None else format(value, form)


NAMES = {"psnr": "PSNR", "ssim": "SSIM", "psnr_change": "what noise costs in PSNR"}
_STYLES = {"higher": "bold", "lower": "bold", "hint": "", "none": "dim", "one seed": "dim"}
_SHOWN_WHOLE = 6  # comparisons; of a question with more, only those that see something are written out


def comparison_table(record: StudyRecord) -> Table:
    """Return the comparisons of ``record``, question by question, in the order of the study, never by size.

    A question is one metric along one axis. Each has a line that counts what was seen; where it has more than six
    comparisons, those that show no difference stay with the count. What the study can tell apart is bold.
    """
    table = plain_table("Comparisons, all else equal: difference [95 % interval over seeds and images]")
    table.add_column("", overflow="fold")
    for metric, axis in dict.fromkeys((one.metric, one.axis) for one in record.comparisons):
        asked = [one for one in record.comparisons if (one.metric, one.axis) == (metric, axis)]
        table.add_row(Text(f"{axis}, {NAMES[metric]}: {_count(asked)}", style="italic"))
        for one in asked:
            if len(asked) <= _SHOWN_WHOLE or one.verdict in ("higher", "lower", "hint"):
                table.add_row(Text(f"  {one.sentence}", style=_STYLES[one.verdict]))
    table.caption = "every comparison in words: kerasae report"
    return table


def _count(asked) -> str:
    seen = Counter("difference" if one.verdict in ("higher", "lower") else one.verdict for one in asked)
    words = {"difference": "differ", "hint": "give a hint", "none": "show nothing", "one seed": "have one seed a side"}
    counts = [f"{seen[verdict]} {text}" for verdict, text in words.items() if seen[verdict]]
    return f"of {len(asked)}, {', '.join(counts)}"


def run_difference_table(comparison: RunComparison) -> Table:
    """Return the names of the runs, each with the letter it goes by, and what differs in their recipes."""
    table = plain_table("What differs")
    table.add_column("", no_wrap=True)
    for letter in letters(comparison):
        table.add_column(letter, overflow="fold")
    table.add_row(Text("run", style="bold"), *(Text(name, style="bold") for name in comparison.runs))
    for key, values in comparison.differs.items():
        table.add_row(key, *map(_value, values))
    if not comparison.differs:
        table.caption = "the recipes, and what they ran on, are the same"
    return table


def run_comparison_table(comparison: RunComparison, *, width: int | None = None) -> Table:
    """Return a row per score, those of one split and noise together, and each run's differences from the first.

    A cell holds the mean over images, beneath it the difference and its interval. ``− latents`` names what the first
    run's score was decoded from where that is something else; a number of images (``im.``) of its own is written too.

    Args:
        comparison: what was compared.
        width: columns to fit, those of the terminal if None; from 110 on, what a row is about spreads over columns of
            its own.
    """
    wide = (width or columns_of_terminal()) >= WIDE
    table = plain_table("Scores, and the difference from A")
    for heading in [*(["split", "noise σ", "images"] if wide else ["split"]), "", "decoded\nfrom"]:
        justify = "right" if heading in ("noise σ", "images") else "left"
        table.add_column(heading, justify=justify, no_wrap=True)
    for heading in METRICS.values():
        # On a narrow terminal the widest intervals break after their comma.
        table.add_column(heading, justify="right", no_wrap=wide)
    letter_of = dict(zip(comparison.runs, letters(comparison), strict=True))
    first = None
    for row in comparison.scores:
        score = row.score
        if first is None or (score.split, score.sigma) != (first.split, first.sigma):
            if first is not None:
                table.add_section()
            first = score
        about = _condition(score, wide) if score is first else [""] * (3 if wide else 1)
        cells = [*about, Text(letter_of[score.run], style="bold"), _decoded_from(row, first)]
        table.add_row(*cells, *(_run_cell(metric, row, wide) for metric in METRICS))
    return table


def letters(comparison: RunComparison) -> list[str]:
    """Return the letter that each run goes by: A for the first."""
    count = len(ascii_uppercase)
    return [ascii_uppercase[place % count] * (place // count + 1) for place in range(len(comparison.runs))]


def _condition(score: Score, wide: bool) -> list[str | Text]:
    if wide:
        return [score.split, noise(score.sigma), f"{score.count:,}"]
    text = Text(f"{score.split},\n{score.count:,} im.,\n")
    return [text.append(f"σ {score.sigma:g}" if score.sigma else "clean", style="dim")]


def _decoded_from(row: ComparedScore, first: Score) -> Text:
    text = Text(row.score.decoded_from)
    if row.against not in (None, row.score.decoded_from):
        text.append(f"\n− {row.against}", style="dim")
    if row.score.count != first.count:
        text.append(f"\n{row.score.count:,} im.", style="dim")
    return text


def _run_cell(metric: str, row: ComparedScore, wide: bool) -> Text:
    text = Text(written(metric, getattr(row.score, metric).mean), style="bold", justify="right", no_wrap=wide)
    difference: Difference | None = getattr(row, metric)
    if difference is None:
        return text
    text.append(f"\n{_signed(metric, difference.mean)}", style="not bold")
    if difference.low is not None:
        interval = f"[{_signed(metric, difference.low)}, {_signed(metric, difference.high)}]"
        text.append(f"{' ' if wide else chr(10)}{interval}", style="not bold dim")
    return text


def _signed(metric: str, value: float) -> str:
    """Return ``value`` with its sign, as a typographic minus where it is negative."""
    shown = f"{value:+.{DIGITS[metric]}f}"
    # A difference too small for its digits has no sign to show.
    return shown[1:] if float(shown) == 0 else shown.replace("-", "−")


def _value(value: Any) -> Text:
    if value is None:
        return Text("–", style="dim")
    if isinstance(value, bool):
        return Text(str(value).lower())
    return Text(f"{value:g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value))


def study_table(record: StudyRecord, *, width: int | None = None) -> Table:
    """Return PSNR and SSIM of every cell of a study at every sigma, with the spread over seeds.

    A cell of the table holds PSNR ± its standard deviation over seeds, and beneath it SSIM; where there is room also
    the 95 % interval that counts seeds and images, and where there is little the deviation takes a line of its own.
    The do-nothing row comes last.

    Args:
        record: the study.
        width: columns to fit, those of the terminal if None.
    """
    width = width or columns_of_terminal()
    table = plain_table(f"{record.name}: {record.data}, {record.split} images")
    table.add_column("noise σ →", overflow="fold", max_width=40)
    table.add_column("", no_wrap=True)
    sigmas = list(record.sigmas)
    for sigma in sigmas:
        table.add_column(noise(sigma), justify="right", no_wrap=True)
    with_interval = width >= max(WIDE, 44 + 17 * len(sigmas))
    stacked = width < 34 + 13 * len(sigmas)
    lines = ["PSNR", *["± std"] * stacked, *["95 %"] * with_interval, "SSIM"]
    for about, row in _study_rows(record):
        cells = [_study_cell(row.get(sigma), with_interval, stacked) for sigma in sigmas]
        table.add_row(about, Text("\n".join(lines), style="dim"), *cells)
    seeds = f"{len(record.seeds)} seed{'s' * (len(record.seeds) > 1)}"
    table.caption = f"PSNR in dB, mean over {seeds} and images ± std over seeds; against the clean image"
    return table


def _study_rows(record: StudyRecord) -> list[tuple[Text, dict[float, CellScore]]]:
    found: dict[tuple[str, str], dict[float, CellScore]] = {}
    for score in record.scores:
        found.setdefault((score.label, score.decoded_from), {})[score.sigma] = score
    rows = [(Text.assemble(label, (f"\nfrom {how}", "dim")), row) for (label, how), row in found.items()]
    if record.do_nothing:
        nothing = Text.assemble(("do nothing", "italic"), ("\nthe noisy image itself", "dim"))
        rows.append((nothing, {score.sigma: score for score in record.do_nothing}))
    return rows


def _study_cell(score: CellScore | None, with_interval: bool, stacked: bool) -> Text:
    if score is None:
        return Text("–", style="dim")
    spread = "" if score.psnr.std_over_seeds is None else f"± {score.psnr.std_over_seeds:.2f}"
    psnr = f"{score.psnr.mean:.2f}"
    lines = [psnr, spread] if stacked else [f"{psnr} {spread}".rstrip()]
    lines += [f"[{score.psnr.low:.2f}, {score.psnr.high:.2f}]"] * with_interval
    return Text("\n".join([*lines, f"{score.ssim.mean:.3f}"]), justify="right")
