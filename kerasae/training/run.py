"""A run: one training, as a folder; where runs are and what they are called."""

import csv
import difflib
import json
import os
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasae.errors import RunError
from kerasae.files import readable, replacing, write_json, writing
from kerasae.recipes import Recipe, fingerprint, read_toml, recipe_from
from kerasae.records import Example, ImageScores, LatentRecord, RunRecord, Score
from kerasae.runtime import load_tensorflow_quietly

if TYPE_CHECKING:
    from kerasae.data import ImageSet
    from kerasae.models import Autoencoder


# What a run keeps of images that were given in Python.
IMAGES = "images.npz"


def image_scores_path(folder: Path, *, split: str, sigma: float, seed: int) -> Path:
    """Return where in the run's ``folder`` the numbers of one split, noise and seed are."""
    return folder / "evaluations" / f"{split}_sigma_{sigma:g}_seed_{seed}.npz"


def save_image_scores(path: Path, names: Sequence[str], metrics: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Write ``metrics[decoded_from][metric]``, ``(images,)`` each, and the images' ``names``, atomically."""
    arrays = {
        f"{decoded_from}/{metric}": np.asarray(column, "float64")
        for decoded_from, columns in metrics.items()
        for metric, column in columns.items()
    }
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, names=np.array(names, dtype=np.str_), **arrays)


def load_image_scores(path: Path, *, split: str, sigma: float) -> list[ImageScores]:
    """Return what ``save_image_scores`` wrote, one record per ``decoded_from``; raises ``RunError`` if it is broken."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            names = tuple(str(name) for name in stored["names"])
            columns = [key.split("/") for key in stored.files if "/" in key]
            return [
                ImageScores(
                    split,
                    sigma,
                    way,
                    names,
                    {metric: stored[f"{way}/{metric}"] for one, metric in columns if one == way},
                )
                for way in dict.fromkeys(way for way, _ in columns)
            ]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it and evaluate again") from None


_IMAGES = ("original", "given", "reconstruction")


def save_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write ``examples``, images of one shape, atomically."""
    about = json.dumps(
        [{key: value for key, value in example.as_dict().items() if key not in _IMAGES} for example in examples]
    )
    arrays = {key: np.stack([getattr(example, key) for example in examples]) for key in _IMAGES}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, about=np.frombuffer(about.encode(), "uint8"), **arrays)


def load_examples(path: Path) -> list[Example]:
    """Return what ``save_examples`` wrote; nothing where there is no such file. Raises ``RunError`` if it is broken."""
    if not path.is_file():
        return []
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            images = [stored[key] for key in _IMAGES]
            return [
                Example.from_dict(texts | dict(zip(_IMAGES, shown, strict=True)))
                for texts, *shown in zip(about, *images, strict=True)
            ]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it and evaluate again") from None


try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind; two processes in one folder go unnoticed there.
    fcntl = None


@contextmanager
def locked(folder: Path, *, wait: bool = False) -> Iterator[None]:
    """Hold ``folder`` for this process; the system lets go of it however the process ends.

    Raises ``RunError`` where another process holds it, unless told to ``wait``; ``FileError`` where the folder cannot
    be written to.
    """
    with ExitStack() as held:
        with writing(folder / ".lock"):
            folder.mkdir(parents=True, exist_ok=True)
            file = held.enter_context((folder / ".lock").open("w"))
        # ``is_locked`` holds it for a moment, which is not the time to give up.
        if fcntl is not None and not any(_lock(file, wait) for _ in range(3)):
            raise RunError(f"{folder} is being trained by another process; wait for it, or use another --runs")
        yield


def _lock(file, wait: bool) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:
        time.sleep(0.02)
        return False
    return True


def is_locked(folder: Path) -> bool:
    """Return whether a process holds ``folder``; True too where the system does not say."""
    try:
        with (folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except (OSError, AttributeError):
        return True
    return False


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
        plain = read_toml(path)
        if plain.get("data", {}).get("source") == "array":
            # Where the run is now; it may have been moved.
            plain["data"]["path"] = str((self.folder / IMAGES).resolve())
        return recipe_from(plain, name="recipe", origin=str(path))

    @property
    def status(self) -> str:
        """What the record says, but ``stopped`` of a training whose process is gone, killed before it could say so."""
        status = self.record.status
        return "stopped" if status == "training" and not is_locked(self.folder) else status

    @property
    def is_finished(self) -> bool:
        """Whether training came to its end."""
        return self.record.status == "finished" and (self.folder / "model.keras").is_file()

    def load_images(self) -> "ImageSet":
        """Return all images of the run's own source; raises ``RunError`` where they are not those it was trained on."""
        from kerasae.data import load_images

        images = load_images(self.recipe.data)
        self.refuse_other_images(images)
        return images

    def refuse_other_images(
        self, images: "ImageSet", cure: str = "start again with --force; others are scored with evaluate --data"
    ) -> None:
        """Raise ``RunError``, with what to do, where ``images`` are not those that the run was trained on."""
        record = self.record
        if images.fingerprint != record.data_fingerprint:
            raise RunError(
                f"{self.folder} was begun on other images (fingerprint {record.data_fingerprint}, now "
                f"{images.fingerprint}; {sum(record.image_counts.values()):,} images then, {len(images.names):,} now): "
                f"files have been added, removed, renamed or changed; bring them back, or {cure}"
            )

    def load_model(self) -> "Autoencoder":
        """Return the model of the best epoch; raises ``RunError`` if there is none yet."""
        from kerasae.models.build import load_model

        path = self.folder / "model.keras"
        if not path.is_file():
            raise RunError(
                f"{self.name} has no trained model yet (it is {self.status}); go on with: "
                f"kerasae train --resume {self.folder}"
            )
        load_tensorflow_quietly()
        return load_model(path, code=self.record.extra.get("code", ()))

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


def runs_folder(runs: str | Path | None = None) -> Path:
    """Return the folder of runs: ``runs`` if given, else ``KERASAE_RUNS``, else ``runs`` where the command runs."""
    folder = Path(runs or os.environ.get("KERASAE_RUNS") or "runs").expanduser()
    if readable(str(folder)) != str(folder):
        raise RunError(f"the folder of runs {readable(str(folder))} is no UTF-8, which a recipe cannot hold; rename it")
    return folder


def list_runs(runs: str | Path | None = None) -> list[Run]:
    """Return the runs in a folder, the latest last; folders that are no runs are passed over."""
    folder = runs_folder(runs)
    if not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if (path / "run.json").is_file()]
    return [Run(path) for path in sorted(found, key=lambda path: (path / "run.json").stat().st_mtime)]


def load_run(run: str | Path, runs: str | Path | None = None) -> Run:
    """Return the run meant by ``run``: a folder, a name under the folder of runs or its beginning, or ``latest``.

    Raises ``RunError`` where there is none or more than one, with the names there are.
    """
    if (Path(run).expanduser() / "run.json").is_file():
        return Run(Path(run).expanduser())
    known = list_runs(runs)
    folder = runs_folder(runs)
    if not known:
        raise RunError(
            f"there is no run {str(run)!r}: {folder} holds no runs; train one with: kerasae train ae_baseline"
        )
    if str(run) == "latest":
        return known[-1]
    names = [one.name for one in known]
    matches = [one for one in known if one.name == str(run)] or [one for one in known if one.name.startswith(str(run))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RunError(f"{str(run)!r} could be any of {', '.join(one.name for one in matches)}; give more of the name")
    close = difflib.get_close_matches(str(run), names, n=1, cutoff=0.4)
    meant = f", did you mean {close[0]}?" if close else "."
    raise RunError(f"there is no run {str(run)!r} in {folder}{meant} See: kerasae runs")


def run_name(recipe: Recipe, backend: str) -> str:
    """Return the folder name of the recipe's run on ``backend``: name, fingerprint, backend, seed."""
    return f"{recipe.name}-{_without_name(recipe, backend)}"


def equal_run(recipe: Recipe, backend: str, runs: str | Path | None = None) -> Run | None:
    """Return a finished run that trained what ``recipe`` trains on ``backend``, under whatever name; None if none is.

    The run of the recipe's own name comes first.
    """
    folder = runs_folder(runs)
    candidates = [folder / run_name(recipe, backend), *sorted(folder.glob(f"*-{_without_name(recipe, backend)}"))]
    found = (Run(path) for path in candidates if (path / "run.json").is_file())
    return next((run for run in found if run.is_finished), None)


def _without_name(recipe: Recipe, backend: str) -> str:
    return f"{fingerprint(recipe)}-{backend}-{recipe.training.seed}"
