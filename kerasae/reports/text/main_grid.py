"""The table that a report begins with."""

from kerasae.records import CellScore, ReportContent, Score, SeedSummary, Summary
from kerasae.reports.tables.numbers import written
from kerasae.reports.text.grid import Cell, Column, Grid
from kerasae.reports.text.naming import at_sigma, chosen_sigmas, is_reference, with_decoding

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
    columns = [Column("cell", False), Column("seeds")]
    for sigma in sigmas:
        for name in _SHORT.values():
            columns.append(Column(f"{name}, {at_sigma(sigma)}"))
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
        name = Cell(with_decoding(label, decoded_from), place)
        rows.append((name, Cell(seeds, float(seeds or 0)), *(cell for score in shown for cell in _pair(score))))
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
    scores += [score for score in content.do_nothing if score.mse.mean > 0 and score not in scores]
    several = len(content.runs) > 1
    with_kl = any(score.kl_nats is not None for score in scores)
    columns = [Column("run, split" if several else "split", False), Column("noise σ"), Column("decoded from", False)]
    columns += [Column("images"), Column("PSNR, dB"), Column("std"), Column("PSNR of mean MSE, dB"), Column("SSIM")]
    columns += [Column("MSE")] + [Column("KL, nats"), Column("active units")] * with_kl
    rows = [_score_row(score, several, with_kl, place) for place, score in enumerate(scores) if not _trivial(score)]
    data = scores[0].data if scores else "no images"
    caption = f"Mean over images of {data}, [95 % bootstrap interval of the mean]; std over images. “Input” is doing nothing."
    return Grid(caption, tuple(columns), tuple(rows))


def _trivial(score: Score) -> bool:
    return is_reference(score) and score.mse.mean == 0


def _score_row(score: Score, several: bool, with_kl: bool, place: int) -> tuple[Cell, ...]:
    name = f"{score.run}, {score.split}" if several and not is_reference(score) else score.split
    cells = [
        Cell(name, place),
        Cell(f"{score.sigma:g}" if score.sigma else "clean", score.sigma),
        Cell(score.decoded_from, score.decoded_from),
        Cell(f"{score.count:,}", score.count),
        measured("psnr", score.psnr),
        Cell(written("psnr", score.psnr.std), score.psnr.std),
        Cell(written("psnr", score.psnr_of_mean_mse), score.psnr_of_mean_mse),
        measured("ssim", score.ssim),
        measured("mse", score.mse),
    ]
    if with_kl:
        cells.append(Cell("–" if score.kl_nats is None else f"{score.kl_nats:.1f}", score.kl_nats))
        cells.append(Cell("–" if score.active_units is None else str(score.active_units), score.active_units))
    return tuple(cells)
