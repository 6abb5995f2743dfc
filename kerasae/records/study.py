"""What a study of many runs found."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class StudyCell:
    """One combination of levels: axis → level, and its finished runs, one a seed."""

    levels: dict[str, str]
    runs: tuple[str, ...]
    backend: str
    recipe_name: str

    @property
    def label(self) -> str:
        """The levels in words: ``AE, L2, clean``."""
        return ", ".join(self.levels.values())


@dataclass(frozen=True)
class SeedSummary:
    """A metric of one cell: mean over seeds and images, with a 95 % interval that counts both.

    ``std_over_seeds`` is the standard deviation of the seeds' means (n − 1), None where there is one seed; ``per_seed``
    are those means; ``std_over_images`` the standard deviation over images of their mean over seeds.
    """

    mean: float
    std_over_seeds: float | None
    std_over_images: float
    low: float
    high: float
    per_seed: tuple[float, ...]


@dataclass(frozen=True)
class CellScore:
    """How well the runs of one cell do on the study's images under one noise; ``levels`` as in ``StudyCell``."""

    levels: dict[str, str]
    sigma: float
    decoded_from: str
    seeds: int
    images: int
    mse: SeedSummary
    psnr: SeedSummary
    ssim: SeedSummary
    psnr_of_mean_mse: float

    @property
    def label(self) -> str:
        """The levels in words."""
        return ", ".join(self.levels.values())


@dataclass(frozen=True)
class Comparison:
    """``level`` against ``reference`` along one ``axis``, all else equal (``where``: the other axes' levels).

    ``difference`` is the mean over seeds and images of level − reference in ``metric``'s unit, positive where ``level``
    is higher. ``low`` and ``high`` bound it at 95 %, counting that other seeds and other images would have been drawn
    as well; ``p`` is of the same test, ``p_holm`` corrected over the study's comparisons. ``images_low`` and
    ``images_high`` (bootstrap) and ``p_images`` (Wilcoxon signed rank, Holm-corrected) speak of these very trained
    models on other images. ``seed_spread`` is the standard deviation of one training's mean over seeds, pooled from
    both sides. ``verdict`` is ``higher``, ``lower``, ``hint`` (the interval excludes 0, but not after the correction)
    or ``none``. All but the image-wise numbers are None where a side has one seed; the verdict is then ``one seed``.
    """

    axis: str
    level: str
    reference: str
    where: dict[str, str]
    sigma: float
    decoded_from: tuple[str, str]
    metric: str
    difference: float
    low: float | None
    high: float | None
    p: float | None
    p_holm: float | None
    images_low: float
    images_high: float
    p_images: float
    seed_spread: float | None
    seeds: int
    images: int
    verdict: str
    sentence: str


@dataclass(frozen=True)
class StudyRecord:
    """A study: its grid, what became of it, and what it found.

    ``axes`` maps each axis to its levels, the reference first; ``answer`` holds the sentences that a reader wants
    first; ``noise_seed`` fixed each image's noise; ``failed`` maps runs that failed to what they said; ``command`` is
    what was typed. ``comparisons_along`` names the axes whose levels are compared. ``family`` is how many comparisons
    the Holm correction counts together: those in one metric along one axis, the largest number where it differs.
    """

    name: str
    question: str
    fingerprint: str
    command: str
    axes: dict[str, tuple[str, ...]]
    seeds: tuple[int, ...]
    sigmas: tuple[float, ...]
    split: str
    data: str
    card: str
    data_fingerprint: str
    comparisons_along: str
    family: int
    cells: tuple[StudyCell, ...]
    scores: tuple[CellScore, ...]
    do_nothing: tuple[CellScore, ...]
    comparisons: tuple[Comparison, ...]
    answer: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    noise_seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "StudyRecord":
        """Return the record that ``as_dict`` wrote, also after a trip through JSON."""
        return cls(
            **plain
            | {key: tuple(plain[key]) for key in ("seeds", "sigmas", "answer")}
            | {
                "axes": {axis: tuple(levels) for axis, levels in plain["axes"].items()},
                "cells": tuple(StudyCell(**cell | {"runs": tuple(cell["runs"])}) for cell in plain["cells"]),
                "scores": tuple(_cell_score(row) for row in plain["scores"]),
                "do_nothing": tuple(_cell_score(row) for row in plain["do_nothing"]),
                "comparisons": tuple(
                    Comparison(**row | {"decoded_from": tuple(row["decoded_from"])}) for row in plain["comparisons"]
                ),
            }
        )


def _cell_score(row: dict[str, Any]) -> CellScore:
    summaries = {
        key: SeedSummary(**row[key] | {"per_seed": tuple(row[key]["per_seed"])}) for key in ("mse", "psnr", "ssim")
    }
    return CellScore(**row | summaries)
