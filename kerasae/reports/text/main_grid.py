"""The table that a report begins with."""

from kerasae.records import CellScore, ReportContent, Score, SeedSummary, Summary
from kerasae.reports.tables.numbers import written
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import DECODINGS, at_sigma, chosen_sigmas, in_order, is_reference

_SHORT = {"psnr": "PSNR, dB", "ssim": "SSIM"}


def main_grid(content: ReportContent) -> Grid:
    """Return one row per cell of a study at the sigmas that matter most, or one row per score of a run."""
    return _study_grid(content) if content.study else _run_grid(content)


def measured(metric: str, summary: SeedSummary | Summary) -> Cell:
    """Return the mean with its 95 % interval, to be sorted by the mean."""
    low, high = written(metric, summary.low), written(metric, summary.high)
    return Cell(written(metric, summary.mean), summary.mean, f"[{low}, {high}]")


def _study_grid(content: ReportContent) -> Grid:
    study = content.study
    sigmas = chosen_sigmas(content)
    columns = [Column(", ".join(study.axes), False)]
    for sigma in sigmas:
        for name in _SHORT.values():
            columns.append(Column(f"{name}, {at_sigma(sigma)}"))
    columns.append(Column("seeds"))
    found: dict[tuple, dict[float, CellScore]] = {}
    for score in (*study.scores, *study.do_nothing):
        key = (score.label, score.decoded_from) if not is_reference(score) else ("do nothing", "input")
        found.setdefault(key, {})[score.sigma] = score
    rows = []
    for place, ((label, decoded_from), scores) in enumerate(found.items()):
        shown = [scores.get(sigma) for sigma in sigmas]
        if not any(shown):
            continue
        seeds = "" if decoded_from == "input" else str(max(score.seeds for score in shown if score))
        name = Cell(label, place, f"({DECODINGS[decoded_from]})" if decoded_from in DECODINGS else "")
        last = Cell(seeds, float(seeds) if seeds else None)
        rows.append((name, *(cell for score in shown for cell in _pair(score)), last))
    images = max((score.images for score in study.scores), default=0)
    caption = (
        f"Mean over seeds and {images:,} {study.split} images of {study.data}, [95 % interval that counts both]; "
        "± the standard deviation of the seeds’ means. Higher is better. “Do nothing” is the noisy image itself."
    )
    return Grid(caption, tuple(columns), tuple(rows))


def _pair(score: CellScore | None) -> list[Cell]:
    if score is None or score.mse.mean == 0:  # the clean image against itself says nothing
        return [Cell("–")] * len(_SHORT)
    return [_over_seeds(metric, getattr(score, metric)) for metric in _SHORT]


def _over_seeds(metric: str, summary: SeedSummary) -> Cell:
    cell = measured(metric, summary)
    if summary.std_over_seeds is None:
        return cell
    return Cell(cell.text, cell.value, f"± {written(metric, summary.std_over_seeds)} {cell.detail}")


def _run_grid(content: ReportContent) -> Grid:
    scores = [score for run in content.runs for score in run.scores]
    scores += [score for score in content.do_nothing if score not in scores]
    scores = [score for score in scores if not (is_reference(score) and score.mse.mean == 0)]
    splits, runs = in_order(score.split for score in scores), in_order(run.record.name for run in content.runs)
    # By noise, so that what is to be compared stands together: the ways of decoding, and doing nothing last.
    scores.sort(key=lambda score: (splits.index(score.split), score.sigma, is_reference(score)))
    several = (len(splits) > 1, len(runs) > 1)
    with_kl = any(score.kl_nats is not None for score in scores)
    with_bits = any(score.bits_per_pixel is not None for score in scores)
    columns = [Column("noise", False), Column("PSNR, dB"), Column("SSIM"), Column("MSE")]
    columns += [Column("PSNR of mean MSE, dB")] + [Column("bits per pixel, estimated")] * with_bits
    columns += [Column("KL, nats"), Column("active units")] * with_kl
    columns.append(Column("images"))
    rows = [_score_row(score, several, (with_bits, with_kl), place) for place, score in enumerate(scores)]
    data = scores[0].data if scores else "no images"
    caption = (
        f"Mean over the {', '.join(splits)} images of {data}, ± their standard deviation, "
        "[95 % bootstrap interval of the mean]. “Do nothing” is the noisy image itself."
    )
    return Grid(caption, tuple(columns), tuple(rows))


def _score_row(score: Score, several: tuple[bool, bool], shown: tuple[bool, bool], place: int) -> tuple[Cell, ...]:
    nothing = is_reference(score)
    parts = [score.run] * (several[1] and not nothing) + [score.split] * several[0]
    parts += [at_sigma(score.sigma), *["do nothing"] * nothing]
    decoding = f"({DECODINGS[score.decoded_from]})" if score.decoded_from in DECODINGS else ""
    cells = [
        Cell(", ".join(parts), place, decoding),
        *(_over_images(metric, getattr(score, metric)) for metric in ("psnr", "ssim", "mse")),
        Cell(written("psnr", score.psnr_of_mean_mse), score.psnr_of_mean_mse),
    ]
    with_bits, with_kl = shown
    if with_bits:
        bits = score.bits_per_pixel
        cells.append(Cell("–" if bits is None else f"{bits:.3f}", bits))
    if with_kl:
        cells.append(Cell("–" if score.kl_nats is None else f"{score.kl_nats:.1f}", score.kl_nats))
        cells.append(Cell("–" if score.active_units is None else str(score.active_units), score.active_units))
    return (*cells, Cell(f"{score.count:,}", score.count))


def _over_images(metric: str, summary: Summary) -> Cell:
    cell = measured(metric, summary)
    return Cell(cell.text, cell.value, f"± {written(metric, summary.std)} {cell.detail}")
