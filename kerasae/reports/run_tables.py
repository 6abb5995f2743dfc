"""Tables of runs, of files and their rates, of latents, and of what a study plans."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kerasae.records import BdRate, LatentRecord, RatePoint, RunRecord
from kerasae.reports.curves import curves_of
from kerasae.reports.score_tables import number
from kerasae.reports.tables import MISSING, Cell, Column, Table
from kerasae.reports.wording import duration, in_order, measured_metrics, metric_named, signed

_STATUS_STYLES = {"finished": "green", "training": "cyan", "stopped": "yellow", "failed": "red"}


def runs_table(records: Sequence[RunRecord], *, title: str = "Runs") -> Table:
    """Return one row per run, in the order given: what became of it, and what training took."""
    training = training_table([(record.name, [record]) for record in records], first="run")
    columns = [training.columns[0], Column("status", False), Column("backend", False), *training.columns[1:-2]]
    columns.append(Column("seed", wide=True))
    rows = []
    for record, (_, *cells) in zip(records, training.rows, strict=True):
        name = Cell(record.name, interval=record.message, style="not bold")
        status = Cell(record.status, style=_STATUS_STYLES.get(record.status, ""))
        rows.append([name, status, Cell(record.backend), *cells[:-2], Cell(str(record.seed), record.seed)])
    return Table("", columns, rows, title)


def training_table(
    named: Sequence[tuple[str, Sequence[RunRecord]]], *, first: str, caption: str = "", ident: str = ""
) -> Table:
    """Return time, speed and size of training, a row for each name, means over its records."""
    columns = [
        Column(first, False, wrap=True), Column("epochs"), Column("best"), Column("time"),
        Column("parameters", wide=True), Column("input numbers per latent", wide=True), Column("images/s", wide=True),
        Column("backend", False), Column("device", False),
    ]  # fmt: skip
    rows = []
    for place, (name, records) in enumerate(named):
        seconds = _mean(records, lambda record: record.training_seconds) or 0.0
        backend, device = (", ".join(in_order(getattr(one, key) for one in records)) for key in ("backend", "device"))
        row = [
            Cell(name, place),
            number(_mean(records, lambda record: record.epochs_done), ".4g"),
            number(_mean(records, lambda record: record.best_epoch), ".4g"),
            Cell(duration(seconds), seconds),
            Cell(f"{records[0].parameters:,}", records[0].parameters),
            number(records[0].latent_ratio, ".4g"),
            number(_mean(records, lambda record: record.images_per_second), ",.0f"),
            Cell(backend, backend),
            Cell(device, device),
        ]
        rows.append(row)
    return Table(caption, columns, rows, ident=ident)


def _mean(records: Sequence[RunRecord], of: Callable[[RunRecord], float | None]) -> float | None:
    values = [value for record in records if (value := of(record)) is not None]
    return sum(values) / len(values) if values else None


def plan_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return the runs of a planned study: ``run``, ``backend``, ``done`` and, where it is known, ``seconds``."""
    body = []
    for row in rows:
        state = "done" if row["done"] else "to do" if row["seconds"] is None else f"about {row['seconds']:.0f} s"
        body.append([Cell(row["run"]), Cell(row["backend"]), Cell(state, style="green" if row["done"] else "")])
    return Table("", [Column("run", False, wrap=True), Column("backend", False), Column("", False)], body, title)


def ladder_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per step of a frozen codec.

    Args:
        rows: mappings with ``step``, ``psnr`` in dB, ``bits_per_pixel``, ``default`` and, where there are qualities,
            ``quality``.
        title: what the table is of.
    """
    forms = {"step": "", "quality": "g", "psnr": ".2f", "bits_per_pixel": ".3f"}
    headings = {"psnr": "PSNR, dB", "bits_per_pixel": "bits per pixel"}
    keys = [key for key in forms if any(key in row for row in rows)]
    columns = [*(Column(headings.get(key, key)) for key in keys), Column("", False)]
    body = [
        [
            Cell(text, style="bold" if row["default"] else "")
            for text in (*(format(row[key], forms[key]) for key in keys), "default" if row["default"] else "")
        ]
        for row in rows
    ]
    return Table("of 8-bit training images; bits under the tables", columns, body, title)


_CHANNELS_SHOWN = 12  # more channels than this, as a dense latent has, are summed up


def inspection_table(rows: Sequence[Mapping[str, Any]], *, title: str) -> Table:
    """Return one row per image: its size, step, bytes, and the bits of each channel where they are known.

    Args:
        rows: as ``kerasae.codec.inspect_packed`` returns them.
        title: what the table is of.
    """
    known = any("bits_per_channel" in row for row in rows)
    columns = [Column("image", False, wrap=True), *map(Column, ("size", "step", "bytes", "payload", "bits/pixel"))]
    columns += [Column("escapes"), Column("bits per channel", False, wrap=True)] if known else []
    body = []
    for row in rows:
        # A name may hold bytes that are no text.
        name = row["name"].encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        size = f"{row['height']}×{row['width']}×{row['channels']}"
        cells = [Cell(name), Cell(size), number(row["step"], ""), number(row["bytes"], ",")]
        cells += [number(row["payload_bytes"], ","), number(row["bits_per_pixel"], ".3f")]
        cells += [number(row["escapes"], ","), Cell(_channels(row["bits_per_channel"]))] if known else []
        body.append(cells)
    caption = "bytes and bits/pixel: of the image as a file of its own; in an archive it takes fewer"
    return Table(caption, columns, body, title)


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
    columns = [Column("codec", False, wrap=True, once=True), *map(Column, ("quality", "bytes", "bits/pixel"))]
    columns += [Column(metric_named(name).heading) for name in metrics]
    columns += [Column(name, wide=True) for name in ("payload", "estimate", "enc/s", "dec/s")]
    rows = []
    for name, own in curves_of(points).items():
        for one in own:
            cells = [
                number(one.quality, "g"),
                number(one.bytes_per_image, ",.0f"),
                number(one.bits_per_pixel, ".3f"),
                *(number(one.metrics.get(metric), f".{metric_named(metric).digits}f") for metric in metrics),
                number(one.payload_bits_per_pixel, ".3f"),
                number(one.estimated_bits_per_pixel, ".3f"),
                number(one.encode_images_per_second, ",.0f"),
                number(one.decode_images_per_second, ",.0f"),
            ]
            style = "bold" if one.settings.get("default") else ""
            cells = [Cell(cell.text, cell.value, style=style or cell.style) for cell in cells]
            rows.append([Cell(name, len(rows), style="bold"), *cells])
    images = points[0].images if points else 0
    caption = (
        f"{images:,} images; bytes of whole files, headers included; payload and estimate in bits per pixel; means "
        "over images; quality of a model: its step"
    )
    return Table(caption, columns, rows, title, ident)


def bd_rate_table(rows: Sequence[BdRate], *, title: str = "BD-rate", ident: str = "") -> Table:
    """Return one row per pair of codecs, a column per metric; a dash where it is refused."""
    metrics = in_order(row.metric for row in rows)
    columns = [Column("codec", False, wrap=True, once=True), Column("against", False)]
    columns += [Column(f"bits at equal {metric_named(metric).label}") for metric in metrics]
    pairs: dict[tuple[str, str], dict[str, BdRate]] = {}
    for row in rows:
        pairs.setdefault((row.codec, row.against), {})[row.metric] = row
    body = [
        [Cell(codec, place), Cell(against, against), *(_percent(found.get(metric)) for metric in metrics)]
        for place, ((codec, against), found) in enumerate(pairs.items())
    ]
    caption = "Bits at equal quality, negative is better; beneath it the qualities that both curves reach"
    caption += "; – where they share too little" if any(row.bd_rate_percent is None for row in rows) else ""
    return Table(caption, columns, body, title, ident)


def _percent(row: BdRate | None) -> Cell:
    if row is None or row.bd_rate_percent is None:
        return MISSING
    about = metric_named(row.metric)
    overlap = "–".join(f"{end:.{1 if about.unit else 3}f}" for end in row.overlap or ())
    text = f"{signed(row.bd_rate_percent, 1)} %"
    style = "green" if row.bd_rate_percent < 0 else "not bold"
    return Cell(text, row.bd_rate_percent, interval=f"{overlap} {about.unit}".strip(), style=style)


def latents_table(found: Sequence[tuple[str, LatentRecord]], *, ident: str = "") -> Table:
    """Return KL divergence, active units, log-likelihood and ELBO of each run."""
    columns = [
        Column("run", False), Column("images"), Column("KL, nats per image"), Column("active units"),
        Column("log-likelihood, nats per image"), Column("ELBO, nats per image"),
    ]  # fmt: skip
    rows = []
    for place, (name, one) in enumerate(found):
        total = sum(one.kl_nats)
        row = [
            Cell(name, place),
            number(one.images, ","),
            number(total, ".1f"),
            Cell(f"{one.active_units} of {len(one.kl_nats)}", one.active_units),
            number(one.log_likelihood_nats, ",.1f"),
            number(one.elbo_nats, ",.1f"),
        ]
        rows.append(row)
    return Table(f"Latents over the clean {found[0][1].split} images", columns, rows, ident=ident)
