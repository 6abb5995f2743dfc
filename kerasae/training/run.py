"""A run: one training, as a folder."""

import csv
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from kerasae.atomic import write_json
from kerasae.errors import ModelError, RunError
from kerasae.recipe import Recipe, read_toml, recipe_from
from kerasae.records import Example, ImageScores, LatentRecord, RunRecord, Score
from kerasae.training.examples import load_examples
from kerasae.training.image_scores import image_scores_path, load_image_scores

if TYPE_CHECKING:
    from kerasae.models import Compressor


@dataclass(frozen=True)
class Run:
    """A run folder that has at least begun.

    ``recipe.toml`` (resolved), ``run.json`` (what trained, on what, how it ended), ``history.csv`` (one row an epoch),
    ``model.keras`` and ``best.weights.h5`` (the best epoch), ``scores.json`` and ``scores.csv`` (per image),
    ``evaluations/`` (per image, a file for each noise), ``examples.npz`` (images to look at), ``latents.json``
    (variational models), ``figures/``, ``codec.npz`` (steps and tables for files), ``tensorboard/`` where it was asked
    for; and while it is not finished ``state/checkpoint.npz``.
    """

    folder: Path

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.folder.name

    @cached_property
    def record(self) -> RunRecord:
        """What ``run.json`` says; raises ``RunError`` where it is missing or not readable."""
        path = self.folder / "run.json"
        try:
            return RunRecord.from_dict(json.loads(path.read_text(encoding="utf-8")))
        except OSError:
            raise RunError(f"{self.folder} is not a run: it has no run.json; see: kerasae runs") from None
        except (ValueError, TypeError) as error:
            raise RunError(f"{path} is not a record this version of kerasae reads: {error}") from None

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        path = self.folder / "recipe.toml"
        if not path.is_file():
            raise RunError(f"{self.folder} is not a run: it has no recipe.toml; see: kerasae runs")
        return recipe_from(read_toml(path), name="recipe", origin=str(path))

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return self.record.status == "finished" and (self.folder / "model.keras").is_file()

    def load_model(self) -> "Compressor":
        """Return the model of the best epoch; raises ``RunError`` if there is none yet."""
        import keras

        import kerasae.models  # noqa: F401  registers the classes

        path = self.folder / "model.keras"
        if not path.is_file():
            raise RunError(
                f"{self.name} has no trained model yet (it is {self.record.status}); go on with: "
                f"kerasae train --resume {self.folder}"
            )
        try:
            return keras.saving.load_model(path, compile=False)
        except (ValueError, TypeError, OSError) as error:
            raise ModelError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from None

    def history(self) -> list[dict[str, float]]:
        """Return the rows of ``history.csv``."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return []
        with path.open(newline="", encoding="utf-8") as file:
            return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]

    def scores(self) -> list[Score]:
        """Return the scores of ``scores.json``; none where the run was not evaluated."""
        path = self.folder / "scores.json"
        return [Score.from_dict(row) for row in json.loads(path.read_text(encoding="utf-8"))] if path.is_file() else []

    def image_scores(self, *, split: str, sigma: float, seed: int = 0) -> list[ImageScores]:
        """Return the numbers of every image of ``split``, one record per way of decoding; none where not measured."""
        path = image_scores_path(self.folder, split=split, sigma=sigma, seed=seed)
        return load_image_scores(path, split=split, sigma=sigma) if path.is_file() else []

    def examples(self) -> list[Example]:
        """Return the best, median and worst test images as the run saw them; none where it was not evaluated."""
        return load_examples(self.folder / "examples.npz")

    def latents(self) -> LatentRecord | None:
        """Return the record of ``latents.json``; None where the model is not variational or was not evaluated."""
        path = self.folder / "latents.json"
        return LatentRecord.from_dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else None

    def write_record(self, record: RunRecord) -> "Run":
        """Write ``run.json`` and return the run as it is now."""
        write_json(self.folder / "run.json", record.as_dict())
        return Run(self.folder)
