"""A run: one training, as a folder; where runs are and what they are called."""

import csv
import difflib
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from kerasae.errors import RunError
from kerasae.files import readable, replacing, shipped_folder, write_json, writing
from kerasae.recipes import Recipe, fingerprint, read_toml, recipe_from
from kerasae.recipes.section import nearest
from kerasae.records import Example, ImageScores, LatentRecord, RunRecord, Score, read_json
from kerasae.runtime import load_tensorflow_quietly

if TYPE_CHECKING:
    from kerasae.data import ImageSet
    from kerasae.models import Autoencoder


# What a run keeps of images that were given in Python.
IMAGES = "images.npz"
_EVALUATE_AGAIN = "delete it and evaluate again"


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
            found: dict[str, dict[str, np.ndarray]] = {}
            for key in stored.files:
                if key != "names":
                    way, metric = key.split("/")
                    found.setdefault(way, {})[metric] = _numbers(stored[key], len(names))
            if not found:
                raise ValueError("it holds no scores")
            return [ImageScores(split, sigma, way, names, metrics) for way, metrics in found.items()]
    # NumPy and zipfile let nearly every kind of exception out of a damaged file.
    except Exception as error:
        raise RunError(f"{path} cannot be read ({error}); {_EVALUATE_AGAIN}") from None


def _numbers(column: np.ndarray, count: int) -> np.ndarray:
    if column.shape != (count,) or column.dtype.kind != "f":
        raise ValueError(f"a column has shape {column.shape} and type {column.dtype}, for {count} images")
    return column


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
    except Exception as error:
        raise RunError(f"{path} cannot be read ({error}); {_EVALUATE_AGAIN}") from None


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
        if not path.is_file():
            raise RunError(f"{self.folder} is not a run: it has no run.json; see: kerasae runs")
        return read_json(path, RunRecord, cure="move the folder away and train again")

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
        self,
        images: "ImageSet",
        cure: str = "start again with --force; others are scored with evaluate --data",
        *,
        counts: Mapping[str, int] | None = None,
    ) -> None:
        """Raise ``RunError``, with what to do, where ``images`` are not those that the run was trained on.

        ``counts`` are those of the splits, where these are known: another version may split the same images otherwise.
        """
        record = self.record
        if images.fingerprint != record.data_fingerprint or counts not in (None, record.image_counts):
            raise RunError(
                f"{self.folder} was begun on other images (fingerprint {record.data_fingerprint}, now "
                f"{images.fingerprint}; {sum(record.image_counts.values()):,} images then, {len(images.names):,} now): "
                f"files have been added, removed, renamed or changed; bring them back, or {cure}"
            )

    def load_model(self) -> "Autoencoder":
        """Return the model of the best epoch; raises ``RunError`` if there is none yet or it is another's."""
        path = self.folder / "model.keras"
        if not path.is_file():
            raise RunError(
                f"{self.name} has no trained model yet (it is {self.status}); go on with: "
                f"kerasae train --resume {self.folder}"
            )
        load_tensorflow_quietly()
        from kerasae.models.build import load_model

        model = load_model(path, code=self.record.extra.get("code", ()))
        if model.count_params() != self.record.parameters:
            raise RunError(
                f"{path} is the model of another run: it has {model.count_params():,} parameters, that of {self.name} "
                f"has {self.record.parameters:,}; bring its own back, or train again with --force"
            )
        return model

    def history(self) -> list[dict[str, float]]:
        """Return the rows of ``history.csv``; raises ``RunError`` if it is broken."""
        path = self.folder / "history.csv"
        if not path.is_file():
            return []
        try:
            with path.open(newline="", encoding="utf-8") as file:
                return [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)]
        except (OSError, ValueError, TypeError, csv.Error) as error:
            raise RunError(
                f"{path} is not the history of a training ({error}); delete it to do without its curves"
            ) from None

    def scores(self) -> list[Score]:
        """Return the scores of ``scores.json``; none where the run was not evaluated."""
        path = self.folder / "scores.json"
        return read_json(path, list[Score], cure=_EVALUATE_AGAIN) if path.is_file() else []

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
        return read_json(path, LatentRecord, cure=_EVALUATE_AGAIN) if path.is_file() else None

    def measured(self) -> dict[str, float | None]:
        """Return mean ``psnr`` in dB and ``ssim`` over the clean test images, and ``bits_per_pixel``; None if unknown.

        A variational run is decoded from the mean. The rate is what training images take at the default quality under
        the frozen tables; before there are any, what the entropy model estimates of the test images. Raises
        ``RunError`` where scores or tables are damaged.
        """
        clean = [score for score in self.scores() if score.split == "test" and not score.sigma][:1]
        found = {
            name: score.metrics[name].mean for score in clean for name in ("psnr", "ssim") if name in score.metrics
        }
        return found | {"bits_per_pixel": self._frozen_rate() or next((score.bits_per_pixel for score in clean), None)}

    def _frozen_rate(self) -> float | None:
        path = self.folder / "codec.npz"
        if not path.is_file():
            return None
        try:
            with np.load(path, allow_pickle=False) as stored:
                return float(stored["bits_per_pixel"][int(stored["default"])])
        except Exception as error:
            raise RunError(
                f"{path} cannot be read ({error}); freeze it again: kerasae freeze {self.name} --force"
            ) from None

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
    # Not Path.is_file, which raises where the folder may not be looked into.
    found = [path for path in folder.iterdir() if os.path.isfile(path / "run.json")]
    return [Run(path) for path in sorted(found, key=lambda path: (path / "run.json").stat().st_mtime)]


def shipped_runs() -> list[Run]:
    """Return the runs that come with kerasae: codecs that work before anything is trained."""
    return [Run(path.parent) for path in sorted(shipped_folder("codecs").glob("*/run.json"))]


def load_run(run: str | Path, runs: str | Path | None = None) -> Run:
    """Return the run meant by ``run``: a folder, the name of a shipped one, a name under the folder of runs, its
    recipe's, the beginning of either, or ``latest``.

    Raises ``RunError`` where there is none or more than one, with the names there are.
    """
    if (Path(run).expanduser() / "run.json").is_file():
        return Run(Path(run).expanduser())
    shipped = {one.name: one for one in shipped_runs()}
    if str(run) in shipped:
        return shipped[str(run)]
    known = list_runs(runs)
    folder = runs_folder(runs)
    if not known:
        raise RunError(
            f"there is no run {str(run)!r}: {folder} holds no runs; train one with: kerasae train ae_baseline"
        )
    if str(run) == "latest":
        return known[-1]
    names = [*(one.name for one in known), *shipped]
    # What is spelled out wins over what is only begun: "ae_l2" is no beginning of ae_l2_noise where there is an ae_l2.
    matches = [one for one in known if one.name == str(run)] or [one for one in known if goes_by(one, str(run))]
    matches = matches or [one for one in known if one.name.startswith(str(run))]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise RunError(f"{str(run)!r} could be any of {', '.join(one.name for one in matches)}; give more of the name")
    close = difflib.get_close_matches(str(run), names, n=1, cutoff=0.4)
    meant = f", did you mean {close[0]}?" if close else "."
    raise RunError(f"there is no run {str(run)!r} in {folder}{meant} See: kerasae runs")


def goes_by(run: Run, name: str) -> bool:
    """Return whether ``name`` is all of the run's, or all that stands before its fingerprint: its recipe's."""
    return name in (run.name, run.name.rsplit("-", 3)[0])


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


def overview(
    runs: str | Path | None = None, *, sort: str | None = None
) -> tuple[list[tuple[RunRecord, dict[str, float | None]]], list[str]]:
    """Return the record of each run in a folder with what ``Run.measured`` says, and what could not be read, in words.

    The latest comes last; with ``sort``, one of ``SORTED_BY``, the best first and those without a value last. A run
    whose record is damaged is left out, one whose scores are has none. Raises ``RunError`` for another ``sort``.
    """
    found, faults = [], []
    for run in list_runs(runs):
        measured: dict[str, float | None] = {"psnr": None, "ssim": None, "bits_per_pixel": None}
        try:
            record = replace(run.record, status=run.status)
            found.append((record, measured))
            measured |= run.measured()
        except RunError as error:
            faults.append(str(error))
    if sort is not None:
        found = _best_first(found, sort)
    return found, faults


# Column → key of a record or of what was measured, and whether the highest value is the best.
SORTED_BY = {
    "run": ("name", False),
    "status": ("status", False),
    "psnr": ("psnr", True),
    "ssim": ("ssim", True),
    "bits_per_pixel": ("bits_per_pixel", False),
    "epochs": ("epochs_done", True),
    "best": ("best_epoch", False),
    "time": ("training_seconds", False),
    "parameters": ("parameters", False),
    "latent_ratio": ("latent_ratio", True),
    "images_per_second": ("images_per_second", True),
    "backend": ("backend", False),
    "seed": ("seed", False),
}


def _best_first(found: list[tuple[RunRecord, dict[str, float | None]]], sort: str) -> list:
    word = sort.lower().replace(" ", "_")
    columns = SORTED_BY | {key: (key, highest) for key, highest in SORTED_BY.values()}
    if word not in columns:
        raise RunError(f"--sort {sort!r} is not a column{nearest(word, list(SORTED_BY))}")
    key, highest = columns[word]
    values = [(vars(record) | measured)[key] for record, measured in found]
    known = [place for place, value in enumerate(values) if value is not None]
    order = sorted(known, key=lambda place: values[place], reverse=highest)
    return [found[place] for place in [*order, *(place for place in range(len(found)) if place not in known)]]
