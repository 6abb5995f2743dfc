"""What ``kerasae audit`` measures: codecs at equal bytes, on images without and with marks, by groups of persons."""

import hashlib
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from kerasae import __version__
from kerasae.audits.groups import corrected, group_labels, group_scores, quarters
from kerasae.audits.marks import MEASURES, Mark, area_under_curve, draw_marks, measure_mark
from kerasae.data.sources import read_groups
from kerasae.data.tfds import tfds_values
from kerasae.errors import DataError
from kerasae.evaluation.statistics import clustered_mean
from kerasae.files import replacing, write_json
from kerasae.metrics.registry import psnr_of_mse
from kerasae.rate_distortion.compare import (
    ClassicalContender,
    Contender,
    ModelContender,
    classical_contenders,
    noisy,
    squared_error,
    structural,
)
from kerasae.rate_distortion.experiment import Experiment, spread
from kerasae.recipes import FolderData, TfdsData, load_recipe
from kerasae.records import Audit, CodecPoint, MarkScore
from kerasae.records.audits import SEEN_CONTRAST
from kerasae.reports.wording import signed
from kerasae.training import Run

# Settings of a classical codec are chosen on so many images.
_TRIED = 48
# SSIM needs a window, and a mark some room.
LEAST_SIDE = 16
# A false mark is what a filter sees that errs on so many originals.
FALSE_ALARMS = 0.05
# Columns that need no labels: of every image they are known.
COMPUTED: dict[str, Callable[[np.ndarray], float]] = {
    "brightness": lambda image: float(image.mean() / 255),
    "contrast": lambda image: float(image.std() / 255),
}


@dataclass(frozen=True, eq=False)
class Sitting:
    """Images, whose they are, and what is asked of the codecs on them; ``measure`` does it, piece by piece."""

    experiment: Experiment
    columns: Mapping[str, Sequence[str]]
    persons: Sequence[str] | None
    person_column: str | None
    marks: Sequence[Mark]
    seed: int
    folder: Path
    measured: Path

    @classmethod
    def load(
        cls,
        runs: Sequence[Run],
        codecs: Sequence[str],
        *,
        data: str | None = None,
        split: str = "test",
        columns: Sequence[str] = (),
        person: str | None = None,
        labels: str | None = None,
        qualities: Sequence[float] = (),
        marks: int = 2,
        sigma: float = 0.0,
        limit: int | None = None,
        seed: int = 0,
        folder: Path,
    ) -> "Sitting":
        """Return what is asked of ``runs`` beside classical ``codecs``; what it finds goes into a folder in ``folder``.

        ``data`` and ``split`` choose images as ``rate_distortion.experiment.chosen_images`` does; ``columns`` are those
        of ``labels``, else of those of the source, or ``COMPUTED``; ``person`` says who is on an image, else the
        recipe's ``group_column``. Raises ``DataError`` where a column is missing or says nothing, and what
        ``Experiment.load`` raises.
        """
        classical = classical_contenders(codecs, (), "best")
        experiment = Experiment.load(
            runs,
            classical,
            effort="best",
            data=data,
            split=split,
            qualities=qualities,
            limit=limit,
            sigma=sigma,
            seed=seed,
        )
        experiment = replace(experiment, models=[_chosen_qualities(model, qualities) for model in experiment.models])
        source = load_recipe("ae_baseline", data=data).data if data else runs[0].recipe.data
        names, images = experiment.names, experiment.images
        least = min(min(image.shape[:2]) for image in images)
        if least < LEAST_SIDE:
            small = next(name for name, image in zip(names, images, strict=True) if min(image.shape[:2]) == least)
            raise DataError(
                f"{small} has a side of {least} pixels; an audit takes at least {LEAST_SIDE}: leave it out, or "
                "name other images with --data"
            )
        persons = None
        if person is None:
            person = getattr(source, "group_column", None)
            persons = None if person is None else _values(source, names, person, None)
        elif person != "none":
            persons = _values(source, names, person, labels)
        found = _columns(images, names, source, columns, labels)
        drawn = draw_marks(images, names, count=marks, seed=seed)
        # What was measured is of these very pixels and marks; which groups are asked for changes nothing in it.
        hasher = hashlib.sha256(b"".join(image.tobytes() for image in images))
        hasher.update(json.dumps([__version__, list(names), marks, seed, sigma]).encode())
        measured = f"audit_measured-{hasher.hexdigest()[:8]}"
        hasher.update(
            json.dumps([experiment.folder_name, [one.name for one in classical], found, list(persons or ())]).encode()
        )
        where = folder / f"audit-{hasher.hexdigest()[:8]}"
        return cls(experiment, found, persons, person, drawn, seed, where, folder / measured)

    def run(self, progress: Callable[[int, int], None] | None = None) -> Audit:
        """Measure, write ``audit.json`` and figures into the folder, and return the audit."""
        from kerasae.reports.sections.audit import audit_curves

        audit = self.measure(progress)
        write_json(self.folder / "audit.json", audit.as_dict())
        if audit.marks:
            audit_curves(self.folder / "marks.png", audit)
            self.draw(self.folder / "sheet.png", audit)
        return audit

    def measure(self, progress: Callable[[int, int], None] | None = None) -> Audit:
        """Return the audit. What was measured before lies in the folder and is not measured again.

        ``progress(done, total)`` counts codecs at one quality.
        """
        experiment, pairs = self.experiment, []
        total = sum(len(model.qualities) for model in experiment.models) * (1 + len(experiment.classical))

        def take(contender: Contender, quality: float, beside: str | None) -> dict[str, np.ndarray]:
            cell = self._cell(contender, quality)
            pairs.append((contender, quality, beside, cell))
            if progress:
                progress(len(pairs), total)
            return cell

        for model in experiment.models:
            for quality in model.qualities:
                target = float(take(model, quality, None)["bytes"].mean())
                for other in experiment.classical:
                    take(other, self._of_equal_bytes(other, target), f"{model.name} at {quality:g}")
        return self._summed_up(pairs)

    @property
    def units(self) -> Sequence[str]:
        """Whose each image is; its own where that is not known."""
        return self.persons or self.experiment.names

    def _of_equal_bytes(self, contender: ClassicalContender, target: float) -> float:
        """Return the quality whose files of some of the images are nearest to ``target`` bytes in the mean."""
        images = [self.experiment.images[index] for index in spread(len(self.experiment.images), _TRIED)]
        qualities, sizes = contender.all_qualities, {}

        def size(place: int) -> float:
            if place not in sizes:
                with ThreadPoolExecutor() as pool:
                    encoded = pool.map(
                        lambda image: contender.codec.encode(image, qualities[place], contender.effort),
                        self._seen(images),
                    )
                    sizes[place] = sum(map(len, encoded)) / len(images)
            return sizes[place]

        low, high = 0, len(qualities) - 1
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if size(middle) <= target else (low, middle)
        return float(qualities[min((low, high), key=lambda place: abs(size(place) - target))])

    def _seen(self, images: Sequence[np.ndarray], places: Sequence[int] | None = None) -> Sequence[np.ndarray]:
        """Return what a codec is given of images at ``places``: where noise is asked for, always the same."""
        if not self.experiment.sigma:
            return images
        places = spread(len(self.experiment.names), len(images)) if places is None else places
        names = [self.experiment.names[place] for place in places]
        return noisy(images, names, self.experiment.sigma, self.experiment.seed)

    def _cell(self, contender: Contender, quality: float) -> dict[str, np.ndarray]:
        """Return bytes, PSNR and SSIM ``(images,)`` and ``MEASURES`` of each mark ``(marks, measures)``."""
        images, settings = self.experiment.images, contender.settings(quality, self.experiment.images[0].shape[-1])
        key = hashlib.sha256(json.dumps([contender.name, quality, settings], default=str).encode()).hexdigest()[:16]
        path = self.measured / f"{key}.npz"
        if path.is_file():
            with np.load(path, allow_pickle=False) as kept:
                return dict(kept)
        sizes, decoded = _through(contender, self._seen(images, range(len(images))), quality)
        with ThreadPoolExecutor() as pool:
            psnr = psnr_of_mse(np.array(list(pool.map(squared_error, images, decoded))))
            ssim = np.array(list(pool.map(structural, images, decoded)))
        marked = [mark.on(images[mark.image]) for mark in self.marks]
        costs, after = _through(contender, self._seen(marked, [mark.image for mark in self.marks]), quality)
        rows = [
            measure_mark(mark, images[mark.image], decoded[mark.image], one, cost - sizes[mark.image])
            for mark, one, cost in zip(self.marks, after, costs, strict=True)
        ]
        marks = np.array(rows).reshape(-1, len(MEASURES))
        cell = {"bytes": np.array(sizes, float), "psnr": psnr, "ssim": ssim, "marks": marks}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial, partial.open("wb") as file:
            np.savez(file, **cell)
        return cell

    def _summed_up(self, pairs) -> Audit:
        experiment, points, groups, marks = self.experiment, [], [], []
        pixels = np.array([math.prod(image.shape[:2]) for image in experiment.images])
        of_model: dict[str, np.ndarray] = {}
        for contender, quality, beside, cell in pairs:
            psnr, ssim = (clustered_mean(cell[name], self.units) for name in ("psnr", "ssim"))
            bits = float(8 * cell["bytes"].sum() / pixels.sum())
            points.append(CodecPoint(contender.name, quality, beside, float(cell["bytes"].mean()), bits, psnr, ssim))
            scores = {"bits_per_pixel": 8 * cell["bytes"] / pixels, "psnr": cell["psnr"], "ssim": cell["ssim"]}
            scores |= {"marks_kept": self._kept_of_each(cell["marks"])} if self.marks else {}
            # A model stands before the codecs beside it.
            of_model = scores if beside is None else of_model
            groups.append(group_scores(self.columns, scores, self.units, model=None if beside is None else of_model))
            marks += self._mark_scores((contender.name, quality, beside), cell["marks"])
        # One family of all that is said of models, another of the classical codecs.
        families = [
            [place for place, point in enumerate(points) if (point.beside is None) == models] for models in (1, 0)
        ]
        for family in families:
            for place, rows in zip(family, corrected([groups[place] for place in family]), strict=True):
                groups[place] = rows
        persons = None if self.persons is None else len(set(self.persons))
        about = (experiment.label, tuple(experiment.runs), len(experiment.images), persons, self.person_column)
        return Audit(
            *about, self.seed, experiment.sigma, tuple(points), tuple(groups) if self.columns else (), tuple(marks)
        )

    def _kept_of_each(self, measures: np.ndarray) -> np.ndarray:
        """Return what is kept of the marks of each image that a person would see, NaN without any: ``(images,)``.

        Each mark less the mean of those of its size and contrast, plus that of all: who got which is chance.
        """
        kept: list[list[float]] = [[] for _ in self.experiment.images]
        seen = [place for place, mark in enumerate(self.marks) if mark.is_seen]
        of_cell: dict[tuple[int, float], list[float]] = {}
        for place in seen:
            of_cell.setdefault((self.marks[place].size, self.marks[place].contrast), []).append(measures[place, 0])
        for place in seen:
            mark = self.marks[place]
            usual = np.mean(of_cell[mark.size, mark.contrast]) - measures[seen, 0].mean()
            kept[mark.image].append(measures[place, 0] - usual)
        return np.array([np.mean(some) if some else np.nan for some in kept])

    def draw(self, path: Path, audit: Audit) -> None:
        """Draw, enlarged, the median of marks by what the first model keeps at its middle quality, and the worst.

        Of those that a person would see: original, marked, and the reconstructions of every codec beside, each with
        what the mark changed, from blue, darker, to red, lighter.
        """
        from kerasae.reports import labelled_grid

        model = self.experiment.models[0]
        quality = model.qualities[len(model.qualities) // 2]
        beside = f"{model.name} at {quality:g}"
        chosen = [point for point in audit.points if point.beside == beside or point.key == (model.name, quality)]
        seen = [place for place, mark in enumerate(self.marks) if mark.is_seen]
        kept = self._cell(model, quality)["marks"][:, 0]
        ranked = sorted(seen, key=lambda place: (kept[place], place))
        rows, labels = [], []
        for word, place in (("typical", ranked[len(ranked) // 2]), ("worst", ranked[0])) if ranked else ():
            mark = self.marks[place]
            original = self.experiment.images[mark.image]
            marked = mark.on(original)
            shown = [(original, marked)]
            words = [f"{word}: {mark.kind}, {mark.size} px", f"contrast {signed(mark.sign * mark.contrast, 2)}"]
            for point in chosen:
                contender = next(one for one in self.experiment.contenders if one.name == point.codec)
                _, pair = _through(contender, self._seen([original, marked], [mark.image] * 2), point.quality)
                shown.append(tuple(pair))
                share = self._cell(contender, point.quality)["marks"][place, 0]
                words.append(f"{point.codec[:12]} keeps {round(100 * share)} %".replace("-", "−"))
            shown = [tuple(_around(one, mark) for one in pair) for pair in shown]
            rows += [[original / 255 for original, _ in shown[:1]] + [pair[1] / 255 for pair in shown]]
            rows += [[np.zeros(shown[0][0].shape[:2])] + [_change(*pair) for pair in shown]]
            labels += ["\n".join(words), "what the mark\nchanged, × 2"]
        if rows:
            names = [f"{point.codec[:10]}\n{point.bytes_per_image:,.0f} bytes" for point in chosen]
            labelled_grid(
                path,
                rows,
                title=f"{audit.label}: {beside}",
                row_labels=labels,
                column_labels=["original", "marked", *names],
            )

    def _mark_scores(self, about: tuple[str, float, str | None], measures: np.ndarray) -> list[MarkScore]:
        """Return the scores of all marks, of each kind, size, contrast, both, and by size of those seen."""
        if not self.marks:
            return []
        sizes, contrasts = (sorted({getattr(mark, name) for mark in self.marks}) for name in ("size", "contrast"))
        # What a filter for marks of a size sees on more than 95 % of the originals that it errs on.
        unmarked = measures[:, MEASURES.index("seen_unmarked")]
        limits = {
            size: np.quantile(unmarked[[mark.size == size for mark in self.marks]], 1 - FALSE_ALARMS, method="higher")
            for size in sizes
        }
        asked: list[tuple[str | None, int | None, float | None, float]] = [(None, None, None, 0.0)]
        asked += [(kind, None, None, 0.0) for kind in sorted({mark.kind for mark in self.marks})]
        asked += [(None, size, None, least) for least in (0.0, SEEN_CONTRAST) for size in sizes]
        asked += [(None, size, contrast, 0.0) for size in (None, *sizes) for contrast in contrasts]
        found = []
        for kind, size, contrast, least in asked:
            chosen = [
                place
                for place, mark in enumerate(self.marks)
                if kind in (None, mark.kind) and size in (None, mark.size) and contrast in (None, mark.contrast)
                if mark.contrast >= least
            ]
            if chosen:
                some = [self.marks[place] for place in chosen]
                found.append(self._mark_score((*about, kind, size, contrast, least), measures[chosen], some, limits))
        return found

    def _mark_score(self, about: tuple, measures: np.ndarray, marks: Sequence[Mark], limits) -> MarkScore:
        of = dict(zip(MEASURES, measures.T, strict=True))
        return MarkScore(
            *about,
            marks=len(measures),
            retained=clustered_mean(of["retained"], [self.units[mark.image] for mark in marks]),
            leakage=float(np.median(of["leakage"])),
            psnr_inside=float(of["psnr_inside"].mean()),
            auc=area_under_curve(of["seen_after"], of["seen_before"]),
            auc_of_originals=area_under_curve(
                of["seen_unmarked"] + [mark.contrast for mark in marks], of["seen_unmarked"]
            ),
            false_marks=float((of["seen_before"] > [limits[mark.size] for mark in marks]).mean()),
            bytes_cost=float(of["bytes_cost"].mean()),
        )


def _around(image: np.ndarray, mark: Mark, side: int = 48) -> np.ndarray:
    """Return the part of an image around a mark, ``side`` pixels or all there are."""
    height, width = mark.shape.shape[:2]
    starts = [
        max(0, min(at + length // 2 - side // 2, whole - side))
        for at, length, whole in ((mark.top, height, image.shape[0]), (mark.left, width, image.shape[1]))
    ]
    return image[starts[0] : starts[0] + side, starts[1] : starts[1] + side]


def _change(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Return twice the difference of two uint8 images, in [−1, 1], mean over channels: ``(height, width)``."""
    return np.clip(2 * (after.astype(float) - before).mean(axis=-1) / 255, -1, 1)


def _through(contender: Contender, images: Sequence[np.ndarray], quality: float) -> tuple[list[int], list[np.ndarray]]:
    """Return how many bytes each image takes, and what comes back."""
    if not len(images):
        return [], []
    if contender.is_model:
        files = contender.encode(images, quality)
        return [len(file) for file in files], contender.decode(files, [image.shape for image in images])

    def one(image: np.ndarray) -> tuple[int, np.ndarray]:
        file = contender.codec.encode(image, quality, contender.effort)
        return len(file), contender.codec.decode(file, image.shape)

    with ThreadPoolExecutor() as pool:
        sizes, decoded = zip(*pool.map(one, images), strict=True)
    return list(sizes), list(decoded)


# === What an audit is asked for ===


def _chosen_qualities(model: ModelContender, asked: Sequence[float]) -> ModelContender:
    """Return the model at the qualities asked for, or at the lowest, the default and the highest."""
    every = model.all_qualities
    return model if asked else replace(model, qualities=tuple(dict.fromkeys((every[0], model.default, every[-1]))))


_PATCH = re.compile(r"/y\d+x\d+$")


def _values(data: Any, names: Sequence[str], column: str, labels: str | None) -> tuple[str, ...]:
    """Return the value of a column for each image: of the file ``labels``, of those of a folder, or of a TFDS data set.

    Raises ``DataError`` where there are none.
    """
    names = [_PATCH.sub("", name) for name in names]
    if labels is None and isinstance(data, TfdsData):
        return tfds_values(data, names, column)
    if labels is None and isinstance(data, FolderData):
        labels = str(Path(data.path) / data.labels)
    if labels is None:
        raise DataError(
            f"images of the source {data.source!r} have no labels with a column {column!r}; name a CSV file that "
            f"has it with --labels, or take --group {' or --group '.join(COMPUTED)}, which need none"
        )
    return read_groups(Path(labels), column, names)


def _columns(
    images: Sequence[np.ndarray], names: Sequence[str], data: Any, wanted: Sequence[str], labels: str | None
) -> dict[str, list[str]]:
    """Return the group of each image by column."""
    found = {}
    for column in dict.fromkeys(wanted):
        if column in COMPUTED:
            found[column] = quarters(np.array([COMPUTED[column](image) for image in images]))
        else:
            found[column] = group_labels(column, _values(data, names, column, labels))
    return found
