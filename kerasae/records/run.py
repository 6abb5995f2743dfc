"""What is known of a run."""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class RunRecord:
    """What ``run.json`` says of a run. ``status`` is ``training``, ``stopped``, ``failed`` or ``finished``."""

    name: str
    status: str
    recipe_name: str
    fingerprint: str
    seed: int
    backend: str
    device: str
    versions: dict[str, str]
    data_fingerprint: str
    image_counts: dict[str, int]
    parameters: int
    latent_ratio: float
    objective: str
    epochs_done: int = 0
    best_epoch: int | None = None
    training_seconds: float = 0.0
    images_per_second: float = 0.0
    message: str = ""
    extra: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return a dictionary fit for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> "RunRecord":
        """Return the record that ``as_dict`` wrote."""
        return cls(**plain)
