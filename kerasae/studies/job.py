"""One piece of a study's work, as plain data that any process on any machine can be handed."""

from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Job:
    """What is to be done, and where its result goes.

    ``kind``: ``run`` trains ``recipe`` (nested dictionaries) on ``backend`` into the folder of runs ``runs`` and scores
    it; ``do nothing`` scores the noisy images themselves and ``codecs`` measures the classical codecs, both into
    ``folder``, the study's; ``timing`` trains for a moment and tells how fast. ``name`` is unique in a study, a run's
    that of its folder. ``rate``: measure a run as a codec too. ``cpus`` and ``gpus`` are what it takes.
    """

    kind: Literal["run", "do nothing", "codecs", "timing"]
    name: str
    backend: str
    recipe: dict[str, Any]
    runs: str
    folder: str
    split: str
    sigmas: tuple[float, ...]
    noise_seed: int = 0
    rate: bool = False
    cpus: float = 1.0
    gpus: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "Job":
        """Return the job that ``as_dict`` wrote."""
        return cls(**plain | {"sigmas": tuple(plain["sigmas"])})


@dataclass(frozen=True)
class Outcome:
    """How a job ended: ``finished``, or ``failed`` with a ``message`` in one line; ``found`` is what it tells."""

    status: Literal["finished", "failed"]
    message: str = ""
    seconds: float = 0.0
    found: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Word of a job: ``started``, ``progress`` (``done`` of ``total`` epochs) or ``ended`` (with its ``outcome``)."""

    kind: Literal["started", "progress", "ended"]
    job: str
    done: int = 0
    total: int = 0
    outcome: Outcome | None = None
