"""What an audit found: of groups of persons, and of marks."""

from dataclasses import dataclass

from kerasae.records.record import Record

# Marks that a person would see: at least so large in pixels, and so strong.
SEEN_SIZE, SEEN_CONTRAST = 4, 0.12


@dataclass(frozen=True)
class Estimate(Record):
    """A mean with its 95 % interval, over ``units`` persons, or images where persons are not known."""

    mean: float
    low: float | None
    high: float | None
    units: int


@dataclass(frozen=True)
class GroupScore(Record):
    """One group's mean of a score, and its gap: that mean less the mean of all other images.

    ``p`` is two-sided, corrected for all groups, scores and qualities of all models of the audit, or of all classical
    codecs (Holm); of two groups the first alone has it. ``beyond`` is the gap of the model less this one, of a
    classical codec beside it. A group that ``is_small`` has none of these.
    """

    column: str
    group: str
    score: str
    images: int
    value: Estimate
    is_small: bool
    gap: Estimate | None = None
    p: float | None = None
    beyond: Estimate | None = None


@dataclass(frozen=True)
class CodecPoint(Record):
    """A codec at one quality. ``beside`` is the model whose mean bytes a classical codec was given, None of a model."""

    codec: str
    quality: float
    beside: str | None
    bytes_per_image: float
    bits_per_pixel: float
    psnr: Estimate
    ssim: Estimate

    @property
    def key(self) -> tuple[str, float]:
        """What the numbers of its images are kept under."""
        return self.codec, self.quality


@dataclass(frozen=True)
class MarkScore(Record):
    """What a codec at one quality makes of marks of one kind, size or contrast; None stands for all of them.

    All of one contrast or, where it is None, of at least ``least``. ``retained`` is the share of the contrast that is
    kept, ``leakage`` the energy that the mark adds outside of itself by its own, the median of the marks; ``auc`` how
    well a matched filter tells marked from unmarked reconstructions, ``auc_of_originals`` the originals;
    ``false_marks`` the share of unmarked reconstructions in which it finds one at a threshold that 5 % of the unmarked
    originals exceed.
    """

    codec: str
    quality: float
    beside: str | None
    kind: str | None
    size: int | None
    contrast: float | None
    least: float
    marks: int
    retained: Estimate
    leakage: float
    psnr_inside: float
    auc: float
    auc_of_originals: float
    false_marks: float
    bytes_cost: float


@dataclass(frozen=True)
class Audit(Record):
    """All that was found of ``runs``; ``persons`` is None where it is not known who is on which image.

    ``groups`` holds, for each of ``points`` in their order, what it does to each group; nothing where none were asked
    for.
    """

    label: str
    runs: tuple[str, ...]
    images: int
    persons: int | None
    person_column: str | None
    seed: int
    sigma: float
    points: tuple[CodecPoint, ...]
    groups: tuple[tuple[GroupScore, ...], ...]
    marks: tuple[MarkScore, ...]
