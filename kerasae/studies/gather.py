"""Run or study on disk → everything a report shows. Loads no Keras, no images and no model."""

from pathlib import Path

from kerasae.data import data_card
from kerasae.errors import RunError, StudyError
from kerasae.records import ReportContent, RunContent, Score, StudyRecord
from kerasae.studies.find_study import find_study, read_study
from kerasae.studies.gather_rates import rates_of_run, rates_of_study
from kerasae.studies.gather_sweeps import swept_scores
from kerasae.training import Run, load_run, runs_folder


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
    split, seed = (study.split, study.noise_seed) if study else ("test", 0)
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
