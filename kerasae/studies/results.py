"""A study's runs → its record.

``collect_results`` takes a ``Plan`` and reads the scores that its finished runs left; it returns a ``StudyRecord`` with
means over seeds, comparisons and an answer. ``find_study`` and ``read_study`` get a stored record back. No Keras.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasae.data import data_card
from kerasae.errors import RunError, StudyError
from kerasae.evaluation.statistics import seed_interval
from kerasae.metrics.registry import psnr_of_mse, scored_metrics
from kerasae.rate_distortion.compare import bd_rates
from kerasae.recipes import Recipe
from kerasae.records import (
    Audit,
    BdRate,
    CellScore,
    RateContent,
    RatePoint,
    ReportContent,
    RunContent,
    Score,
    StudyCell,
    StudyRecord,
    read_json,
)
from kerasae.studies.conclusions import CellResults, answer, compare_levels, pairs_compared, with_verdicts
from kerasae.studies.plan import Job, Plan, PlannedCell, codecs_path, is_done, rate_path
from kerasae.training import Run, list_runs, load_run, runs_folder
from kerasae.training.run import equal_run, goes_by, image_scores_path, load_image_scores, run_name

STUDY_FILE = "study.json"


def find_study(study: str | Path, runs: str | Path | None = None) -> Path | None:
    """Return the folder meant by ``study``: a folder, its name, the study's name or the beginning of either.

    Of several that match, the one written last; what is spelled out, be it a run's name, wins over what is only begun.
    None where there is none.
    """
    folder = Path(study).expanduser()
    if (folder / STUDY_FILE).is_file():
        return folder
    found = [path for path in runs_folder(runs).glob("study-*") if (path / STUDY_FILE).is_file()]
    whole = (str(study), f"study-{study}")
    matches = [path for path in found if {path.name, path.name.rpartition("-")[0]} & {*whole}]
    if not matches and str(study) != "latest" and not any(goes_by(run, str(study)) for run in list_runs(runs)):
        matches = [path for path in found if path.name.startswith(whole)]
    return max(matches, key=lambda path: (path / STUDY_FILE).stat().st_mtime, default=None)


def read_study(folder: Path) -> StudyRecord:
    """Return the record of a study's folder; raises ``StudyError`` where it is missing or not readable."""
    path = folder / STUDY_FILE
    if not path.is_file():
        raise StudyError(f"{folder} is no study: it has no {STUDY_FILE}; run one with: kerasae study quick")
    return read_json(path, StudyRecord, cure="run the study again")


# Each metric's own range.


def collect_results(
    plan: Plan, *, command: str = "", failed: Mapping[str, str] | None = None, seconds: float = 0.0
) -> StudyRecord:
    """Return the record of the finished runs of ``plan``; cells without a finished run are left out.

    Raises ``StudyError`` where nothing is finished, or where runs were trained or scored on different images.
    """
    settings = plan.study.settings
    results, runs, names = [], [], None
    jobs = plan.run_jobs()
    for cell in plan.cells:
        finished = _finished_runs(plan, cell, jobs)
        if finished:
            names = names or _names(finished[0], plan)
            results.append(_cell_results(cell, finished, plan, names))
            runs += finished
    if not results:
        raise StudyError(f"study {plan.study.name} has no finished run yet" + _first_failure(failed))
    _refuse_other_images(runs)
    comparisons = with_verdicts(compare_levels(plan.study, results))
    record = StudyRecord(
        name=plan.study.name,
        question=settings.question,
        fingerprint=plan.fingerprint,
        command=command,
        axes={axis: tuple(levels) for axis, levels in plan.study.axes.items()},
        seeds=settings.seeds,
        sigmas=settings.sigmas,
        split=settings.split,
        data=runs[0].scores()[0].data,
        card=runs[0].recipe.data.source,
        data_fingerprint=runs[0].record.data_fingerprint,
        comparisons_along=settings.compare,
        family=max(Counter((one.metric, one.axis) for one in comparisons).values(), default=0),
        cells=tuple(one.cell for one in results),
        scores=tuple(score for one in results for score in _cell_scores(one)),
        do_nothing=tuple(_do_nothing(plan, names)),
        comparisons=tuple(comparisons),
        answer=(),
        noise_seed=settings.noise_seed,
        failed=dict(failed or {}),
        seconds=round(seconds, 1),
        bd_rates=tuple(_bd_rates(plan, [one.cell for one in results])) if settings.rate else (),
    )
    return replace(record, answer=tuple(answer(record)))


def _bd_rates(plan: Plan, cells: Sequence[StudyCell]) -> list[BdRate]:
    """Return the rates of the cells over seeds, against those that they are compared with and the classical codecs."""
    settings = plan.study.settings
    curves = {cell.label: curves_of_cell(cell, plan.runs, settings.split) for cell in cells}
    pairs = [(curves[cell.label], curves[against.label]) for _, cell, against in pairs_compared(plan.study, cells)]
    classical = classical_curves(Path(plan.folder))
    pairs += [(curves[cell.label], [curve]) for cell in cells for curve in classical]
    return bd_rates((own, others) for own, others in pairs if own and others)


def curves_of_cell(cell: StudyCell, runs: Path, split: str) -> list[list[RatePoint]]:
    """Return what was measured of each run of a cell as a codec, under the cell's name; a list for each seed."""
    paths = [rate_path(Run(runs / name), split) for name in cell.runs]
    return [[replace(point, codec=cell.label) for point in _read_points(path)] for path in paths if path.is_file()]


def classical_curves(folder: Path) -> list[list[RatePoint]]:
    """Return what a study's ``folder`` holds of the classical codecs, a list for each."""
    found: dict[str, list[RatePoint]] = {}
    for point in _read_points(codecs_path(folder)):
        found.setdefault(point.codec, []).append(point)
    return list(found.values())


def _read_points(path: Path) -> list[RatePoint]:
    return read_json(path, list[RatePoint], cure="delete it and run the study again") if path.is_file() else []


def _finished_runs(plan: Plan, cell: PlannedCell, jobs: Mapping[str, tuple[Job, Recipe]]) -> list[Run]:
    found = []
    for recipe in cell.recipes:
        run = equal_run(recipe, cell.backend, plan.runs)
        if is_done(jobs[run_name(recipe, cell.backend)][0], run):
            found.append(run)
    return found


def _names(run: Run, plan: Plan) -> tuple[str, ...]:
    settings = plan.study.settings
    return run.image_scores(split=settings.split, sigma=settings.sigmas[0], seed=settings.noise_seed)[0].names


def _cell_results(cell: PlannedCell, runs: Sequence[Run], plan: Plan, names: tuple[str, ...]) -> CellResults:
    settings = plan.study.settings
    by_key: dict[tuple[float, str], dict[str, list[np.ndarray]]] = {}
    for run in runs:
        for sigma in settings.sigmas:
            for scores in run.image_scores(split=settings.split, sigma=sigma, seed=settings.noise_seed):
                if scores.names != names:
                    raise StudyError(
                        f"{run.name} was scored on other images than the study's first run; score it again: delete "
                        f"{run.folder / 'evaluations'} and run the study once more"
                    )
                for metric, values in scores.metrics.items():
                    columns = by_key.setdefault((sigma, scores.decoded_from), {})
                    columns.setdefault(metric, []).append(values)
    stacked = {key: {metric: np.stack(rows) for metric, rows in columns.items()} for key, columns in by_key.items()}
    recipe = cell.recipes[0]
    main = "latents"
    if recipe.model.is_variational:
        main = "sample" if recipe.training.best_by == "val_mse_sample" else "mean"
    return CellResults(
        StudyCell(cell.levels, tuple(run.name for run in runs), cell.backend, recipe.name), stacked, main
    )


def _cell_scores(results: CellResults) -> list[CellScore]:
    # The way of decoding that the cell is compared by comes first.
    keys = sorted(results.scores, key=lambda key: (key[1] != results.main, key[1], key[0]))
    return [_cell_score(results.cell.levels, *key, results.scores[key]) for key in keys]


def _cell_score(levels, sigma: float, decoded_from: str, scores: Mapping[str, np.ndarray]) -> CellScore:
    seeds, images = scores["mse"].shape
    return CellScore(
        levels=dict(levels),
        sigma=sigma,
        decoded_from=decoded_from,
        seeds=seeds,
        images=images,
        metrics={
            name: seed_interval(scores[name], within=(metric.low, metric.high))
            for name, metric in scored_metrics().items()
            if name in scores
        },
        psnr_of_mean_mse=float(psnr_of_mse(scores["mse"].mean())),
    )


def _do_nothing(plan: Plan, names: tuple[str, ...]) -> list[CellScore]:
    settings = plan.study.settings
    rows = []
    for sigma in settings.sigmas:
        path = image_scores_path(Path(plan.folder), split=settings.split, sigma=sigma, seed=settings.noise_seed)
        if sigma and path.is_file():
            scores = load_image_scores(path, split=settings.split, sigma=sigma)[0]
            if scores.names != names:
                raise StudyError(f"{path} is of other images than the study's runs; delete it and run the study again")
            rows.append(
                _cell_score({}, sigma, "input", {metric: values[None] for metric, values in scores.metrics.items()})
            )
    return rows


def _refuse_other_images(runs: Sequence[Run]) -> None:
    first = runs[0].record
    for run in runs[1:]:
        if run.record.data_fingerprint != first.data_fingerprint:
            raise StudyError(
                f"{run.name} was trained on images with fingerprint {run.record.data_fingerprint}, {first.name} with "
                f"{first.data_fingerprint}: the images have changed in between; train all on the same, with --force"
            )


def _first_failure(failed: Mapping[str, str] | None) -> str:
    if not failed:
        return ""
    name, message = next(iter(failed.items()))
    return f"; {len(failed)} failed, the first {name}: {message}"


# === What the report of a run or study is made of ===


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
        audits=tuple(_audits_of_run(run, runs)),
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


def _audits_of_run(run: Run, runs: Path) -> list[Audit]:
    """Return what ``kerasae audit`` found of ``run``, the latest first."""
    return [audit for audit in _newest_first(runs, "audit-*/audit.json", Audit) if run.name in audit.runs]


def _rates_of_study(record: StudyRecord, folder: Path) -> list[RateContent]:
    """Return the curves of a study's cells, each of its first seed's run, and of the classical codecs; or nothing."""
    of_cells = [curves_of_cell(cell, folder.parent, record.split)[:1] for cell in record.cells]
    curves = [curve for first in of_cells for curve in first]
    if not curves:
        return []
    points = tuple(point for curve in [*curves, *classical_curves(folder)] for point in curve)
    return [RateContent(f"{record.data}, {record.split} images, first seed", points, record.bd_rates)]
