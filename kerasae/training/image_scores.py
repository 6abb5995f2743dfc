"""The numbers of every image, kept beside a run: one file for each split, noise and seed of that noise."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from kerasae.atomic import replacing
from kerasae.errors import RunError
from kerasae.records import ImageScores

METRICS = ("mse", "psnr", "ssim")


def image_scores_path(folder: Path, *, split: str, sigma: float, seed: int) -> Path:
    """Return where in the run's ``folder`` the numbers of one split, noise and seed are."""
    return folder / "evaluations" / f"{split}_sigma_{sigma:g}_seed_{seed}.npz"


def save_image_scores(path: Path, names: Sequence[str], metrics: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write ``metrics[decoded_from][metric]``, ``(images,)`` each, and the images' ``names``, atomically."""
    arrays = {
        f"{decoded_from}/{metric}": np.asarray(values[metric], "float64")
        for decoded_from, values in metrics.items()
        for metric in METRICS
    }
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, names=np.array(names, dtype=np.str_), **arrays)


def load_image_scores(path: Path, *, split: str, sigma: float) -> list[ImageScores]:
    """Return what ``save_image_scores`` wrote, one record per ``decoded_from``; raises ``RunError`` if it is broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = tuple(str(name) for name in stored["names"])
            decoded = dict.fromkeys(key.split("/")[0] for key in stored.files if "/" in key)
            return [
                ImageScores(split, sigma, one, names, *(stored[f"{one}/{metric}"] for metric in METRICS))
                for one in decoded
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it and evaluate again") from None
