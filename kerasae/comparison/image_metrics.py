"""``scores.csv`` → one number per image."""

import csv
from pathlib import Path

import numpy as np

from kerasae.errors import RunError
from kerasae.records import ImageScores

_METRICS = ("mse", "psnr", "ssim")


def image_metrics(path: Path) -> dict[tuple[str, float, str], ImageScores]:
    """Return the scores of each image by (split, sigma, decoded_from); empty where there is no such file.

    Raises ``RunError`` where the file is not one that an evaluation wrote.
    """
    if not path.is_file():
        return {}
    rows: dict[tuple[str, float, str], list[tuple]] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                key = (row["split"], float(row["sigma"]), row["decoded_from"])
                rows.setdefault(key, []).append((row["file"], *(float(row[metric]) for metric in _METRICS)))
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(
            f"{path} is not what an evaluation writes ({error!r}); train the run again with --force"
        ) from None
    return {key: _scores(key, found) for key, found in rows.items()}


def _scores(key: tuple[str, float, str], rows: list[tuple]) -> ImageScores:
    names, *columns = zip(*rows, strict=True)
    return ImageScores(*key, names, *(np.array(column) for column in columns))
