"""Runs side by side, each trained once."""

from dataclasses import asdict, dataclass
from typing import Any

from kerasae.records.score import Score


@dataclass(frozen=True)
class Difference:
    """A mean over images less that of the first run, with a 95 % bootstrap interval of the paired difference.

    ``low`` and ``high`` are None where the two runs were not scored on the same images.
    """

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ComparedScore:
    """A run's score and how far it is from that of the first run under the same split and noise.

    ``against`` is what the first run's score was decoded from: the same as here, or where one of the two is no
    variational model ``latents`` beside ``mean`` and ``sample``. It is None, as are the differences, for the first run
    itself and where the first run has no such score. PSNR in dB.
    """

    score: Score
    against: str | None = None
    paired_images: int | None = None
    mse: Difference | None = None
    psnr: Difference | None = None
    ssim: Difference | None = None


@dataclass(frozen=True)
class RunComparison:
    """Two or more runs, the first of which the others are compared with.

    ``differs`` maps ``section.key`` of the recipe, or ``run.…`` of its record, to one value per run, None where a run
    has no such key; what all share is left out. ``sentences`` say what the intervals do and do not speak of.
    """

    runs: tuple[str, ...]
    differs: dict[str, tuple[Any, ...]]
    scores: tuple[ComparedScore, ...]
    sentences: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON."""
        return asdict(self)
