"""What a bench found."""

from dataclasses import dataclass, field

PLAIN = "plain"
TASKS = ("train", "evaluate")
MODELS = ("ae", "vae")


@dataclass(frozen=True)
class Measurement:
    """The speed of one contender at one task, in images per second, one number per round.

    ``contender``: ``plain`` or a backend. ``model``: ``ae`` or ``vae``. ``task``: ``train`` or ``evaluate``.
    ``device`` is what it ran on. ``least_bytes_per_step``: what a training step has to read and write at the least
    (weights, gradients, Adam's moments, the batch; no activations); divide it by the batch and multiply by the speed
    for bytes per second. 0 for evaluation.
    """

    contender: str
    model: str
    task: str
    images_per_second: tuple[float, ...]
    device: str = ""
    parameters: int = 0
    least_bytes_per_step: int = 0


@dataclass(frozen=True)
class BenchResult:
    """All measurements; ``left_out`` says of each contender that is missing why.

    ``images`` of shape ``image_shape`` (height, width, channels) were trained on in batches of ``batch_size``.
    ``ratios`` holds, by ``"task/model/contender"``, the speed divided by that of the plain loop in the same round; it
    is empty where there was no plain loop.
    """

    images: int
    image_shape: tuple[int, int, int]
    batch_size: int
    seconds_per_round: float
    processors: int
    versions: dict[str, str]
    measurements: tuple[Measurement, ...]
    left_out: dict[str, str]
    ratios: dict[str, tuple[float, ...]] = field(default_factory=dict)


def paired_ratios(measurements: tuple[Measurement, ...]) -> dict[str, tuple[float, ...]]:
    """Return each contender's speed over the plain loop's, round by round, by ``"task/model/contender"``.

    Rounds are paired because the speed of a machine wanders: what slows a round slows both of its numbers.
    """
    plain = {(each.task, each.model): each.images_per_second for each in measurements if each.contender == PLAIN}
    return {
        f"{each.task}/{each.model}/{each.contender}": tuple(
            mine / other for mine, other in zip(each.images_per_second, plain[each.task, each.model], strict=True)
        )
        for each in measurements
        if each.contender != PLAIN and (each.task, each.model) in plain
    }


def least_bytes_per_step(parameters: int, batch_bytes: int) -> int:
    """Return the bytes a step of Adam in float32 must move: per weight 8 numbers, and the batch once.

    Per weight: read it, write and read its gradient, read and write two moments, write it.
    """
    return parameters * 4 * 8 + batch_bytes
