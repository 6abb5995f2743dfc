"""What a study's runs left behind → its record."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from kerasae.data import data_card
from kerasae.errors import RunError, StudyError
from kerasae.evaluation.statistics import seed_interval
from kerasae.metrics.registry import psnr_of_mse, scored_metrics
from kerasae.rate_distortion.bd_rate import bd_rate, bd_rate_metrics
from kerasae.recipes import Recipe
from kerasae.records import (
    BdRate,
    CellScore,
    ImageScores,
    RateContent,
    RatePoint,
    ReportContent,
    RunContent,
    Score,
    StudyCell,
    StudyRecord,
)
from kerasae.studies.conclusions import answer, compare_levels, with_verdicts
from kerasae.studies.plan import Job, Plan, PlannedCell, codecs_path, find_study, is_done, rate_path, read_study
from kerasae.training import Run, load_run, runs_folder
from kerasae.training.run import equal_run, image_scores_path, load_image_scores, run_name


def rates_of_run(run: Run, runs: Path) -> list[RateContent]:
    """Return what ``kerasae rate-distortion`` measured of ``run``, from the folder ``runs``, the latest first."""
    found = []
    files = sorted(runs.glob("rate_distortion-*/rate_distortion.json"), key=lambda path: -path.stat().st_mtime)
    for path in files:
        plain = json.loads(path.read_text(encoding="utf-8"))
        if run.name in plain.get("runs", []):
            points = tuple(RatePoint.from_dict(point) for point in plain["points"])
            found.append(RateContent(plain["title"], points, tuple(BdRate(**one) for one in plain["bd_rates"])))
    return found


def rates_of_study(record: StudyRecord, folder: Path, runs: dict[str, Run]) -> list[RateContent]:
    """Return the curves of a study's cells, each of its first seed's run, and of the classical codecs; or nothing."""
    curves = []
    for cell in record.cells:
        path = rate_path(runs[cell.runs[0]], record.split)
        if path.is_file():
            curves.append([replace(point, codec=cell.label) for point in _points(path)])
    if not curves:
        return []
    path = codecs_path(folder)
    classical: dict[str, list[RatePoint]] = {}
    for point in _points(path) if path.is_file() else []:
        classical.setdefault(point.codec, []).append(point)
    others = list(classical.values())
    points = tuple(point for curve in [*curves, *others] for point in curve)
    rates = [bd_rate(curve, other, metric) for curve in curves for other in others for metric in bd_rate_metrics()]
    return [RateContent(f"{record.data}, {record.split} images, first seed", points, tuple(rates))]


def _points(path: Path) -> list[RatePoint]:
    return [RatePoint.from_dict(point) for point in json.loads(path.read_text(encoding="utf-8"))]


def swept_scores(run: str, runs: Path) -> list[Score]:
    """Return the scores of the latest noise sweep in the folder ``runs`` that ``run`` took part in.

    They include those of other runs, and of doing nothing.
    """
    files = sorted(runs.glob("noise_sweep-*/scores.json"), key=lambda path: -path.stat().st_mtime)
    for path in files:
        scores = [Score.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))]
        if any(score.run == run for score in scores):
            return scores
    return []


def gather(target: str | Path, *, runs: str | Path | None = None, command: str = "") -> ReportContent:
    """Return what a report about ``target`` shows: a study's folder or name, or a run's, or ``latest``.

    Raises ``RunError`` where there is neither, ``StudyError`` where runs of the study are gone.
    """
    study = find_study(target, runs)
    if study is not None:
        return _of_study(study, command)
    try:
        run = load_run(target, runs)
    except RunError as error:
        raise RunError(f"{str(target)!r} is neither a study nor a run: {error}") from None
    return _of_run(run, runs_folder(runs), command)


def _of_run(run: Run, runs: Path, command: str) -> ReportContent:
    own = run.scores()
    if not own:
        raise RunError(
            f"{run.name} is {run.record.status} and not scored yet; go on with: kerasae train --resume {run.folder}"
        )
    swept = swept_scores(run.name, runs)
    have = {_condition(score) for score in own}
    scores = own + [score for score in swept if score.run == run.name and _condition(score) not in have]
    return ReportContent(
        title=run.record.recipe_name,
        command=command,
        runs=(_content(run, tuple(scores)),),
        do_nothing=tuple(score for score in swept if score.decoded_from == "input"),
        rates=tuple(rates_of_run(run, runs)),
        cards=_cards(run.recipe.data.source),
    )


def _of_study(folder: Path, command: str) -> ReportContent:
    record = read_study(folder)
    runs = {name: Run(folder.parent / name) for cell in record.cells for name in cell.runs}
    for name, run in runs.items():
        if not (run.folder / "run.json").is_file():
            raise StudyError(f"{name}, a run of {folder.name}, is gone; run the study again: {record.command}")
    return ReportContent(
        title=record.name,
        command=command,
        runs=tuple(_content(run, tuple(run.scores()), record) for run in runs.values()),
        study=record,
        rates=tuple(rates_of_study(record, folder, runs)),
        cards=_cards(record.card),
    )


def _content(run: Run, scores: tuple[Score, ...], study: StudyRecord | None = None) -> RunContent:
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


@dataclass(frozen=True)
class CellEvidence:
    """What the runs of one cell say: ``scores[sigma, decoded_from][metric]`` is ``(seeds, images)``.

    ``main`` is the way of decoding that the cell is compared by: the one its best epochs were chosen by.
    """

    cell: StudyCell
    scores: dict[tuple[float, str], dict[str, np.ndarray]]
    main: str


def collect(
    plan: Plan, *, command: str = "", failed: Mapping[str, str] | None = None, seconds: float = 0.0
) -> StudyRecord:
    """Return what the finished runs of ``plan`` show; cells of which no run is finished are left out.

    Raises ``StudyError`` where nothing is finished, or where runs were trained or scored on different images.
    """
    settings = plan.study.settings
    evidence, runs, names = [], [], None
    jobs = plan.run_jobs()
    for cell in plan.cells:
        finished = _finished_runs(plan, cell, jobs)
        if finished:
            names = names or _names(finished[0], plan)
            evidence.append(_evidence_of(cell, finished, plan, names))
            runs += finished
    if not evidence:
        raise StudyError(f"study {plan.study.name} has no finished run yet" + _first(failed))
    _refuse_other_images(runs)
    comparisons = with_verdicts(compare_levels(plan.study, evidence))
    record = StudyRecord(
        name=plan.study.name,
        question=settings.question,
        fingerprint=plan.fingerprint,
        command=command,
        axes={axis: tuple(levels) for axis, levels in plan.study.axes.items()},
        seeds=settings.seeds,
        sigmas=settings.sigmas,
        split=settings.split,
        data=_label(runs[0]),
        card=runs[0].recipe.data.source,
        data_fingerprint=runs[0].record.data_fingerprint,
        comparisons_along=", ".join(settings.compare),
        family=max(Counter((one.metric, one.axis) for one in comparisons).values(), default=0),
        cells=tuple(one.cell for one in evidence),
        scores=tuple(score for one in evidence for score in _cell_scores(one)),
        do_nothing=tuple(_do_nothing(plan, names)),
        comparisons=tuple(comparisons),
        answer=(),
        noise_seed=settings.noise_seed,
        failed=dict(failed or {}),
        seconds=round(seconds, 1),
    )
    return replace(record, answer=tuple(answer(record)))


def _finished_runs(plan: Plan, cell: PlannedCell, jobs: Mapping[str, tuple[Job, Recipe]]) -> list[Run]:
    found = []
    for recipe in cell.recipes:
        run = equal_run(recipe, cell.backend, plan.runs)
        if is_done(run, jobs[run_name(recipe, cell.backend)][0]):
            found.append(run)
    return found


def _names(run: Run, plan: Plan) -> tuple[str, ...]:
    settings = plan.study.settings
    return run.image_scores(split=settings.split, sigma=settings.sigmas[0], seed=settings.noise_seed)[0].names


def _evidence_of(cell: PlannedCell, runs: Sequence[Run], plan: Plan, names: tuple[str, ...]) -> CellEvidence:
    settings = plan.study.settings
    gathered: dict[tuple[float, str], dict[str, list[np.ndarray]]] = {}
    for run in runs:
        for sigma in settings.sigmas:
            for scores in run.image_scores(split=settings.split, sigma=sigma, seed=settings.noise_seed):
                if scores.names != names:
                    raise StudyError(
                        f"{run.name} was scored on other images than the study's first run; score it again: delete "
                        f"{run.folder / 'evaluations'} and run the study once more"
                    )
                columns = gathered.setdefault((sigma, scores.decoded_from), {})
                for metric, values in scores.metrics.items():
                    columns.setdefault(metric, []).append(values)
    stacked = {key: {metric: np.stack(rows) for metric, rows in columns.items()} for key, columns in gathered.items()}
    recipe = cell.recipes[0]
    main = "latents"
    if recipe.model.is_variational:
        main = "sample" if recipe.training.best_by == "val_mse_sample" else "mean"
    return CellEvidence(
        StudyCell(cell.levels, tuple(run.name for run in runs), cell.backend, recipe.name), stacked, main
    )


def _cell_scores(evidence: CellEvidence) -> list[CellScore]:
    # The way of decoding that the cell is compared by comes first.
    keys = sorted(evidence.scores, key=lambda key: (key[1] != evidence.main, key[1], key[0]))
    return [_cell_score(evidence.cell.levels, *key, evidence.scores[key]) for key in keys]


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
            scores: ImageScores = load_image_scores(path, split=settings.split, sigma=sigma)[0]
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


def _label(run: Run) -> str:
    return run.scores()[0].data


def _first(failed: Mapping[str, str] | None) -> str:
    if not failed:
        return ""
    name, message = next(iter(failed.items()))
    return f"; {len(failed)} failed, the first {name}: {message}"
