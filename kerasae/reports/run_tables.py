"""Tables of runs, of files and their rates, of latents, and of what a study plans."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from kerasae.records import BdRate, LatentRecord, RatePoint, RunRecord
from kerasae.reports.curves import curves_of
from kerasae.reports.tables import MISSING, Cell, Column, Table, number, table_of
from kerasae.reports.wording import duration, in_order, measured_metrics, metric_named, signed

_STATUS_STYLES = {"finished": "green", "training": "cyan", "stopped": "yellow", "failed": "red"}
Named = tuple[str, Sequence[RunRecord]]  # a run with its record, or a cell of a study with those of its runs

_TRAINING = [
    (Column("epochs"), lambda one: number(_mean(one, lambda record: record.epochs_done), ".4g")),
    (Column("best"), lambda one: number(_mean(one, lambda record: record.best_epoch), ".4g")),
    (Column("time"), lambda one: Cell(duration(_seconds(one)), _seconds(one))),
    (Column("parameters", wide=True), lambda one: number(one[1][0].parameters, ",")),
    (Column("latent ratio", wide=True), lambda one: number(one[1][0].latent_ratio, ".4g")),
    (Column("images/s", wide=True), lambda one: number(_mean(one, lambda record: record.images_per_second), ",.0f")),
]


def runs_table(
    records: Sequence[RunRecord],
    measured: Mapping[str, Mapping[str, float | None]] | None = None,
    *,
    title: str = "Runs",
) -> Table:
    """Return one row per run, in the order given: what became of it, how good it is, and what training took.

    ``measured`` has by the name of a run its ``psnr`` in dB, ``ssim`` and ``bits_per_pixel``; without it these columns
    are left out.
    """

    def value(key: str, form: str):
        return lambda one: number(measured.get(one[0], {}).get(key), form)

    qualities = [
        (Column("PSNR, dB"), value("psnr", ".2f")),
        (Column("SSIM"), value("ssim", ".3f")),
        (Column("bits/pixel"), value("bits_per_pixel", ".3f")),
    ]
    narrow = bool(measured)
    epochs, best, time, *more = _TRAINING
    fields = [
        (Column("run", False, wrap=True), lambda one: Cell(one[0], interval=one[1][0].message, style="not bold")),
        (Column("status", False), lambda one: Cell(one[1][0].status, style=_STATUS_STYLES.get(one[1][0].status, ""))),
        (Column("backend", False, wide=narrow), lambda one: Cell(one[1][0].backend)),
        *(qualities if measured else ()),
        epochs,
        (replace(best[0], wide=narrow), best[1]),
        time,
        *more,
        (Column("seed", wide=True), lambda one: number(one[1][0].seed, "")),
    ]
    caption = (
        "PSNR and SSIM of the clean test images. Bits per pixel: under the frozen tables at the default quality, of "
        "training images; before there are any, as the entropy model estimates them."
    )
    named = [(record.name, [record]) for record in records]
    return table_of(named, fields, caption if measured else "", title=title)


def training_table(named: Sequence[Named], *, first: str, caption: str, ident: str) -> Table:
    """Return time, speed and size of training, a row for each name, means over its records."""
    fields = [
        (Column(first, False), lambda one: Cell(one[0], named.index(one))),
        *_TRAINING,
        (Column("backend", False), lambda one: Cell(", ".join(in_order(record.backend for record in one[1])))),
        (Column("device", False), lambda one: Cell(", ".join(in_order(record.device for record in one[1])))),
    ]
    return table_of(named, fields, caption, ident=ident)


def _mean(one: Named, of: Callable[[RunRecord], float | None]) -> float | None:
    values = [value for record in one[1] if (value := of(record)) is not None]
    return sum(values) / len(values) if values else None


def _seconds(one: Named) -> float:
    return _mean(one, lambda record: record.training_seconds) or 0.0


def plan_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return the runs of a planned study: ``run``, ``backend``, ``done`` and, where it is known, ``seconds``."""

    def state(row):
        text = "done" if row["done"] else "to do" if row["seconds"] is None else f"about {row['seconds']:.0f} s"
        return Cell(text, style="green" if row["done"] else "")

    fields = [
        (Column("run", False, wrap=True), lambda row: Cell(row["run"])),
        (Column("backend", False), lambda row: Cell(row["backend"])),
        (Column("", False), state),
    ]
    return table_of(rows, fields, title=title)


def ladder_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per quality of a frozen codec.

    Args:
        rows: mappings with ``quality``, ``psnr`` in dB, ``bits_per_pixel`` and ``default``.
        title: what the table is of.
    """
    fields = [
        (Column("quality"), lambda row: number(row["quality"], "g")),
        (Column("PSNR, dB"), lambda row: number(row["psnr"], ".2f")),
        (Column("bits per pixel"), lambda row: number(row["bits_per_pixel"], ".3f")),
        (Column("", False), lambda row: Cell("default" if row["default"] else "")),
    ]
    caption = "of 8-bit training images; bits under the tables"
    return table_of(rows, fields, caption, title=title, bold=lambda row: row["default"])


_CHANNELS_SHOWN = 12  # more channels than this, as a dense latent has, are summed up


def inspection_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per image: its size, quality, bytes, and the bits of each channel where they are known.

    Args:
        rows: as ``kerasae.codec.inspect_packed`` returns them.
        title: what the table is of.
    """
    fields = [
        (Column("image", False, wrap=True), lambda row: Cell(row["name"])),
        (Column("size"), lambda row: Cell(_size(row))),
        (Column("quality"), lambda row: number(row["quality"], "g")),
        (Column("bytes"), lambda row: number(row["bytes"], ",")),
        (Column("payload"), lambda row: number(row["payload_bytes"], ",")),
        (Column("bits/pixel"), lambda row: number(row["bits_per_pixel"], ".3f")),
    ]
    if any("bits_per_channel" in row for row in rows):
        fields.append((Column("escapes"), lambda row: number(row["escapes"], ",")))
        fields.append(
            (Column("bits per channel", False, wrap=True), lambda row: Cell(_channels(row["bits_per_channel"])))
        )
    caption = "bytes and bits/pixel: of the image as a file of its own"
    return table_of(rows, fields, caption, title=title)


def _size(row: Mapping[str, Any]) -> str:
    if row["height"] is None:
        return f"the model's usual, {'gray' if row['channels'] == 1 else 'colour'}"
    return f"{row['height']}×{row['width']}×{row['channels']}"


def _channels(bits: Sequence[float]) -> str:
    if len(bits) <= _CHANNELS_SHOWN:
        return " ".join(f"{value:,.0f}" for value in bits)
    largest = sorted(bits, reverse=True)
    used = sum(value >= 0.1 for value in bits)
    return f"{used} of {len(bits)} channels cost 0.1 bits or more; the largest {largest[0]:.1f}, {largest[1]:.1f}"


def rate_table(points: Sequence[RatePoint], *, title: str, ident: str = "") -> Table:
    """Return one row per codec and quality, models first; what a model uses by default is bold."""
    metrics = measured_metrics(points)
    metrics[1:1] = ["psnr_of_mean_mse"] if metrics else []
    items = [(name, point) for name, own in curves_of(points).items() for point in own]

    def field(heading, value, form, **more):
        return Column(heading, **more), lambda item: number(value(item[1]), form)

    fields = [
        (Column("codec", False, wrap=True, once=True), lambda item: Cell(item[0], items.index(item), style="bold")),
        field("quality", lambda point: point.quality, "g"),
        field("bytes", lambda point: point.bytes_per_image, ",.0f"),
        field("bits/pixel", lambda point: point.bits_per_pixel, ".3f"),
        *(
            field(about.heading, lambda point, name=about.name: point.metrics.get(name), f".{about.digits}f")
            for about in map(metric_named, metrics)
        ),
        field("payload", lambda point: point.payload_bits_per_pixel, ".3f", wide=True),
        field("estimate", lambda point: point.estimated_bits_per_pixel, ".3f", wide=True),
        field("enc/s", lambda point: point.encode_images_per_second, ",.0f", wide=True),
        field("dec/s", lambda point: point.decode_images_per_second, ",.0f", wide=True),
    ]
    images = points[0].images if points else 0
    caption = (
        f"{images:,} images; bytes of whole files, headers included; payload and estimate in bits per pixel; means "
        "over images; quality of a model: from 1 upwards"
    )
    return table_of(items, fields, caption, title=title, ident=ident, bold=lambda item: item[1].settings.get("default"))


def bd_rate_table(rows: Sequence[BdRate], *, title: str = "BD-rate", ident: str = "") -> Table:
    """Return one row per pair of codecs, a column per metric; a dash where it is refused.

    In PSNR there is another column, of what codes the picture alone.
    """
    pairs: dict[tuple[str, str], dict[str, BdRate]] = {}
    for row in rows:
        column = row.metric if row.counted == "files" else f"payload {row.metric}"
        pairs.setdefault((row.codec, row.against), {})[column] = row
    has_payloads = any(row.counted == "payload" for row in rows)
    fields = [
        (Column("codec", False, wrap=True, once=True), lambda pair: Cell(pair[0], list(pairs).index(pair))),
        (Column("against", False), lambda pair: Cell(pair[1], pair[1])),
        *(
            (
                Column(f"bits at equal {metric_named(metric).label}"),
                lambda pair, metric=metric: _percent(pairs[pair].get(metric)),
            )
            for metric in in_order(row.metric for row in rows)
        ),
    ]
    caption = "Bits at equal quality, negative is better; beneath it the qualities that both curves reach"
    if has_payloads:
        fields.insert(3, (Column("the same, no containers"), lambda pair: _percent(pairs[pair].get("payload psnr"))))
        caption += "; no containers: bits that code the picture alone"
    seeds = max((row.seeds for row in rows), default=1)
    if seeds > 1:
        caption += f"; in brackets 95 % intervals over {seeds} seeds, for other trainings on the same images"
    reasons = in_order(row.message for row in rows if row.bd_rate_percent is None and row.message)
    caption += f"; –: {'; '.join(reasons)}" if reasons else ""
    return table_of(list(pairs), fields, caption, title=title, ident=ident)


def _percent(row: BdRate | None) -> Cell:
    if row is None or row.bd_rate_percent is None:
        return MISSING
    about = metric_named(row.metric)
    overlap = "–".join(f"{end:.{1 if about.unit else 3}f}" for end in row.overlap or ())
    style = "green" if row.bd_rate_percent < 0 else "not bold"
    text = f"{signed(row.bd_rate_percent, 1)} %"
    if row.low is not None:
        text += f" [{signed(row.low, 1)}, {signed(row.high, 1)}]"
    return Cell(text, row.bd_rate_percent, interval=f"{overlap} {about.unit}".strip(), style=style)


def latents_table(found: Sequence[tuple[str, LatentRecord]], *, ident: str) -> Table:
    """Return KL divergence, active units, log-likelihood and ELBO of each run."""
    fields = [
        (Column("run", False), lambda one: Cell(one[0], found.index(one))),
        (Column("images"), lambda one: number(one[1].images, ",")),
        (Column("KL, nats per image"), lambda one: number(sum(one[1].kl_nats), ".1f")),
        (
            Column("active units"),
            lambda one: Cell(f"{one[1].active_units} of {len(one[1].kl_nats)}", one[1].active_units),
        ),
        (Column("log-likelihood, nats per image"), lambda one: number(one[1].log_likelihood_nats, ",.1f")),
        (Column("ELBO, nats per image"), lambda one: number(one[1].elbo_nats, ",.1f")),
    ]
    return table_of(found, fields, f"Latents over the clean {found[0][1].split} images", ident=ident)
