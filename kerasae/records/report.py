"""Everything a report page shows, gathered from disk by who may read it."""

from dataclasses import dataclass, field
from typing import Any

from kerasae.records.example import Example
from kerasae.records.image_scores import ImageScores
from kerasae.records.latents import LatentRecord
from kerasae.records.rate import BdRate, RatePoint
from kerasae.records.run import RunRecord
from kerasae.records.score import Score
from kerasae.records.study import StudyRecord


@dataclass(frozen=True)
class RunContent:
    """One run: ``recipe`` as nested dictionaries, ``history`` one row an epoch, and what was measured of it."""

    record: RunRecord
    recipe: dict[str, Any]
    scores: tuple[Score, ...]
    history: tuple[dict[str, float], ...]
    image_scores: tuple[ImageScores, ...] = ()
    examples: tuple[Example, ...] = ()
    latents: LatentRecord | None = None


@dataclass(frozen=True)
class RateContent:
    """Rate–distortion points of models and classical codecs over the same images; ``title`` says which."""

    title: str
    points: tuple[RatePoint, ...]
    bd_rates: tuple[BdRate, ...]


@dataclass(frozen=True)
class ReportContent:
    """A page about one run (``study`` is None), or about a study and its runs.

    ``cards`` maps names of data cards (and ``ethics``) to their Markdown. ``command`` rebuilds the page.
    """

    title: str
    command: str
    runs: tuple[RunContent, ...]
    study: StudyRecord | None = None
    do_nothing: tuple[Score, ...] = ()
    rates: tuple[RateContent, ...] = ()
    cards: dict[str, str] = field(default_factory=dict)
