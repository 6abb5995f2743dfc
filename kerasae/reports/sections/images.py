"""Images: what went in, what came back, and where it went most wrong."""

from dataclasses import dataclass

import numpy as np

from kerasae.records import Example, ReportContent, RunContent
from kerasae.reports.blocks import Details, Paragraph, Pictures, Section, one_per_cell, series_of
from kerasae.reports.picture_figures import AMPLIFICATIONS
from kerasae.reports.pictures import SIDE, Album, Picture, worst_region
from kerasae.reports.wording import DECODINGS, at_sigma, chosen_sigmas

_STUDY_RANKS = ("worst", "median", "best")


@dataclass(frozen=True)
class _Shown:
    """An example with its pictures: whole, its error ``factor`` times, and the zoom where it is one of the worst."""

    example: Example
    factor: int
    whole: list[Picture]
    zoom: list[Picture]


def examples_section(content: ReportContent, album: Album) -> Section | None:
    """Return pictures at the best, median and worst image: of each run, in a study of the first seed of each cell."""
    owners = _owners(content)
    shown = _taken(content, owners, album)
    blocks = []
    for place, (name, run) in enumerate(owners):
        parts = _blocks(shown[place], f"examples-{place}")
        if not parts:
            continue
        if len(owners) == 1:
            blocks += parts
        else:
            blocks.append(Details(f"{name} (seed {run.record.seed})", parts, open=not blocks))
    if album.left_out:
        blocks.append(Paragraph(f"{album.left_out} further examples are left out to keep the page small.", quiet=True))
    return Section("examples", "Images", "Images", blocks) if shown and any(shown) else None


def amplification(errors: list[np.ndarray]) -> int:
    """Return the largest factor that keeps 99.5 % of ``errors``, in [0, 1], on the scale."""
    top = float(np.quantile(np.concatenate([error.ravel() for error in errors]), 0.995))
    fitting = [factor for factor in AMPLIFICATIONS if factor * top <= 1]
    return fitting[-1] if fitting else 1


def error_of(example: Example) -> np.ndarray:
    """Return the absolute error ``(height, width)`` in [0, 1], mean over channels."""
    difference = example.reconstruction.astype("float64") - example.original.astype("float64")
    return np.abs(difference).mean(axis=-1) / 255


def _owners(content: ReportContent) -> list[tuple[str, RunContent]]:
    owners = []
    for one in one_per_cell(series_of(content)):
        run = next((run for run in one.runs if run.examples), None)
        if run:
            owners.append((one.cell, run))
    return owners


def _wanted(content: ReportContent, run: RunContent) -> list[list[Example]]:
    """Return the examples of a run in the order in which they earn their room, phase by phase."""
    if not content.study:
        return [[example] for example in run.examples]
    sigmas = [sigma for sigma in chosen_sigmas(content) if any(e.sigma == sigma for e in run.examples)]
    decoded_from = run.examples[0].decoded_from
    return [
        [e for e in run.examples if (e.sigma, e.rank, e.decoded_from) == (sigma, rank, decoded_from)][:1]
        for sigma in sigmas or [run.examples[0].sigma]
        for rank in _STUDY_RANKS
    ]


def _taken(content, owners, album: Album) -> list[list[_Shown]]:
    wanted = [_wanted(content, run) for _, run in owners]
    shown: list[list[_Shown]] = [[] for _ in owners]
    factors = [_factors(run.examples) for _, run in owners]
    # Every cell shows its worst image before any shows its best: what does not fit is then the same kind everywhere.
    for phase in range(max(map(len, wanted), default=0)):
        for place, phases in enumerate(wanted):
            for example in phases[phase] if phase < len(phases) else ():
                factor = factors[place][example.sigma, example.decoded_from]
                images = _images(example, factor)
                zoom = _zoom(example) if "worst" in example.rank else []
                pictures = album.take(images + zoom)
                if pictures:
                    shown[place].append(_Shown(example, factor, pictures[: len(images)], pictures[len(images) :]))
    return shown


def _factors(examples):
    keys = {(example.sigma, example.decoded_from) for example in examples}
    return {key: amplification([error_of(e) for e in examples if (e.sigma, e.decoded_from) == key]) for key in keys}


def _images(example: Example, factor: int) -> list[tuple[np.ndarray, str]]:
    name = f"{example.name}, {example.rank}"
    noisy = [(example.given, f"{name}: with noise of σ {example.sigma:g}, as given")] if example.sigma else []
    error = np.clip(error_of(example) * factor, 0, 1)
    return [
        (example.original, f"{name}: original"),
        *noisy,
        (example.reconstruction, f"{name}: reconstruction, PSNR {example.psnr:.2f} dB, SSIM {example.ssim:.3f}"),
        (error, f"{name}: absolute error, {factor} times, mean {error_of(example).mean() * 255:.1f} of 255"),
    ]


def _zoom(example: Example) -> list[tuple[np.ndarray, str]]:
    rows, columns = worst_region(example.original, example.reconstruction)
    where = _where(example)
    images = [("original", example.original), ("as given", example.given), ("reconstruction", example.reconstruction)]
    chosen = [one for one in images if example.sigma or one[0] != "as given"]
    return [(np.ascontiguousarray(image[rows, columns]), f"{where}: {what}") for what, image in chosen]


def _where(example: Example) -> str:
    rows, columns = worst_region(example.original, example.reconstruction)
    return f"rows {rows.start} to {rows.stop - 1}, columns {columns.start} to {columns.stop - 1} of {example.name}"


def _blocks(shown: list[_Shown], ident: str) -> list[Pictures]:
    blocks = []
    for key in dict.fromkeys((one.example.sigma, one.example.decoded_from) for one in shown):
        members = [one for one in shown if (one.example.sigma, one.example.decoded_from) == key]
        members.sort(key=lambda one: -one.example.psnr)
        sigma, decoded_from = key
        under = f"{at_sigma(sigma)}{f', {DECODINGS[decoded_from]}' if decoded_from in DECODINGS else ''}"
        noisy = ["as given"] if sigma else []
        rows = [
            (
                one.example.rank,
                f"{one.example.name}: PSNR {one.example.psnr:.2f} dB, SSIM {one.example.ssim:.3f}",
                one.whole,
            )
            for one in members
        ]
        caption = (
            f"Images, {under}: by PSNR the best, the median and the worst of the {members[0].example.split} images."
        )
        name = f"{ident}-{sigma:g}-{decoded_from}".replace(".", "_")
        blocks.append(
            Pictures(name, caption, ["original", *noisy, "reconstruction", f"error × {members[0].factor}"], rows)
        )
        zooms = [one for one in members if one.zoom]
        if zooms:
            rows = [(one.example.rank, _where(one.example), one.zoom) for one in zooms]
            caption = (
                f"Where the worst images went most wrong, {under}: the {SIDE} × {SIDE} pixels with the largest squared "
                "error, enlarged."
            )
            blocks.append(Pictures(f"{name}-zoom", caption, ["original", *noisy, "reconstruction"], rows, pixels=True))
    return blocks
