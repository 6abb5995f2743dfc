"""Scores → files."""

import csv
from pathlib import Path

from kerasae.atomic import replacing, write_json
from kerasae.evaluation.evaluate_run import Evaluation
from kerasae.records import Score
from kerasae.training.image_scores import image_scores_path, save_image_scores

_COLUMNS = ("file", "split", "sigma", "decoded_from", "mse", "psnr", "ssim")


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Write everything that a run's folder holds of an evaluation; ``scores.json``, one row per score, comes last.

    Before it ``latents.json`` (variational runs), ``evaluations/`` and ``scores.csv``, both of every image.
    """
    if evaluation.latents is not None:
        write_json(folder / "latents.json", evaluation.latents.as_dict())
    save_measured(folder, evaluation)
    with replacing(folder / "scores.csv") as partial, partial.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for (split, sigma), measured in evaluation.measured.items():
            for decoded_from, metrics in measured.metrics.items():
                columns = zip(measured.names, *(metrics[name] for name in _COLUMNS[4:]), strict=True)
                for name, *values in columns:
                    writer.writerow([name, split, sigma, decoded_from, *(f"{value:.8g}" for value in values)])
    save_scores(folder / "scores.json", evaluation.scores)


def save_measured(folder: Path, evaluation: Evaluation) -> None:
    """Write the numbers of every image into ``evaluations/``, a file for each split and noise."""
    for (split, sigma), measured in evaluation.measured.items():
        path = image_scores_path(folder, split=split, sigma=sigma, seed=evaluation.seed)
        save_image_scores(path, measured.names, measured.metrics)


def save_scores(path: Path, scores: list[Score]) -> None:
    """Write a list of scores as JSON."""
    write_json(path, [score.as_dict() for score in scores])
