"""What a report shows: the folder of a run or of a study → ``ReportContent``. Loads no Keras."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kerasae.data import data_card
from kerasae.errors import RunError, StudyError
from kerasae.records import RateContent, ReportContent, RunContent, Score, StudyRecord, read_json
from kerasae.studies.results import classical_curves, curves_of_cell, find_study, read_study
from kerasae.training import Run, load_run, runs_folder


def load_report(target: str | Path, *, runs: str | Path | None = None, command: str = "") -> ReportContent:
    """Return what a report about ``target`` shows: a study's folder or name, or a run's, or ``latest``.

    Raises ``RunError`` where there is neither, ``StudyError`` where runs of the study are gone.
    """
    study = find_study(target, runs)
    if study is not None:
        return _load_study_report(study, command)
    try:
        run = load_run(target, runs)
    except RunError as error:
        raise RunError(f"{str(target)!r} is neither a study nor a run: {error}") from None
    return _load_run_report(run, runs_folder(runs), command)


def _load_run_report(run: Run, runs: Path, command: str) -> ReportContent:
    own = run.scores()
    if not own:
        raise RunError(
            f"{run.name} is {run.status} and not scored yet; go on with: kerasae train --resume {run.folder}"
        )
    swept = _swept_scores(run.name, runs)
    present = {_condition(score) for score in own}
    scores = own + [score for score in swept if score.run == run.name and _condition(score) not in present]
    return ReportContent(
        title=run.record.recipe_name,
        command=command,
        runs=(_run_content(run, tuple(scores)),),
        do_nothing=tuple(score for score in swept if score.decoded_from == "input"),
        rates=tuple(_rates_of_run(run, runs)),
        cards=_cards(run.recipe.data.source),
    )


def _load_study_report(folder: Path, command: str) -> ReportContent:
    record = read_study(folder)
    runs = {name: Run(folder.parent / name) for cell in record.cells for name in cell.runs}
    for name, run in runs.items():
        if not (run.folder / "run.json").is_file():
            raise StudyError(f"{name}, a run of {folder.name}, is gone; run the study again: {record.command}")
    return ReportContent(
        title=record.name,
        command=command,
        runs=tuple(_run_content(run, tuple(run.scores()), record) for run in runs.values()),
        study=record,
        rates=tuple(_rates_of_study(record, folder)),
        cards=_cards(record.card),
    )


def _run_content(run: Run, scores: tuple[Score, ...], study: StudyRecord | None = None) -> RunContent:
    # A run that was given validation images and no others has no test images.
    shown = "test" if any(score.split == "test" for score in scores) else "validation"
    split, seed = (study.split, study.noise_seed) if study else (shown, 0)
    sigmas = study.sigmas if study else dict.fromkeys(score.sigma for score in scores if score.split == split)
    return RunContent(
        record=run.record,
        recipe=run.recipe.as_dict(),
        scores=scores,
        history=tuple(run.history()),
        image_scores=tuple(one for sigma in sigmas for one in run.image_scores(split=split, sigma=sigma, seed=seed)),
        examples=tuple(run.examples()),
        latents=run.latents(),
    )


def _condition(score: Score) -> tuple[str, float, str]:
    return score.split, score.sigma, score.decoded_from


def _cards(source: str) -> dict[str, str]:
    return {name: data_card(name) for name in (source, "ethics")}


def _newest_first(runs: Path, pattern: str, kind: Any) -> Iterator[Any]:
    """Yield what the JSON files of earlier commands in the folder ``runs`` hold, the latest first."""
    for path in sorted(runs.glob(pattern), key=lambda path: -path.stat().st_mtime):
        yield read_json(path, kind, cure="delete it, or measure it again")


def _swept_scores(run: str, runs: Path) -> list[Score]:
    """Return the scores of the latest noise sweep that ``run`` took part in, with other runs' and do-nothing's."""
    for scores in _newest_first(runs, "noise_sweep-*/scores.json", list[Score]):
        if any(score.run == run for score in scores):
            return scores
    return []


def _rates_of_run(run: Run, runs: Path) -> list[RateContent]:
    """Return what ``kerasae rate-distortion`` measured of ``run``, the latest first."""
    found = _newest_first(runs, "rate_distortion-*/rate_distortion.json", RateContent)
    return [rates for rates in found if run.name in rates.runs]


def _rates_of_study(record: StudyRecord, folder: Path) -> list[RateContent]:
    """Return the curves of a study's cells, each of its first seed's run, and of the classical codecs; or nothing."""
    of_cells = [curves_of_cell(cell, folder.parent, record.split)[:1] for cell in record.cells]
    curves = [curve for first in of_cells for curve in first]
    if not curves:
        return []
    points = tuple(point for curve in [*curves, *classical_curves(folder)] for point in curve)
    return [RateContent(f"{record.data}, {record.split} images, first seed", points, record.bd_rates)]
