"""What is stored and shown of runs, studies, audits and reports, as frozen data.

Records hold what was measured by the name of the metric, ``metrics["psnr"]``; ``kerasae.metrics.registry`` says what
metrics there are. In JSON each metric is a key beside the others: ``{"count": 9, "psnr": {…}, "ssim": {…}}``.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kerasae.records.audits import Audit as Audit
from kerasae.records.audits import CodecPoint as CodecPoint
from kerasae.records.audits import Estimate as Estimate
from kerasae.records.audits import GroupScore as GroupScore
from kerasae.records.audits import MarkScore as MarkScore
from kerasae.records.record import Measured, Record
from kerasae.records.record import read_json as read_json


@dataclass(frozen=True)
class Summary:
    """Mean of a per-image metric, its standard deviation over images, and a 95 % bootstrap interval of the mean."""

    mean: float
    std: float
    low: float
    high: float


@dataclass(frozen=True)
class Score(Measured):
    """How well one run (or ``do nothing``) does on one set of images under one noise.

    ``decoded_from`` is ``latents`` for an autoencoder, ``mean`` or ``sample`` for a variational one, ``input`` where
    nothing was decoded. ``sigma`` is the standard deviation of the noise on the input, in [0, 1] intensity; metrics
    compare with the clean image. ``kl_nats`` is the mean KL divergence per image, ``active_units`` the number of
    latents u with Var_x(E[z_u|x]) > 0.01 (Burda et al. 2016); both only for variational models.
    ``bits_per_pixel`` is the estimate of a learned codec's entropy model, at the quality it has unless asked.
    """

    run: str
    data: str
    split: str
    sigma: float
    decoded_from: str
    count: int
    metrics: dict[str, Summary]
    psnr_of_mean_mse: float
    kl_nats: float | None = None
    active_units: int | None = None
    bits_per_pixel: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return nested dictionaries fit for JSON, without the keys that do not apply."""
        return {key: value for key, value in super().as_dict().items() if value is not None}


@dataclass(frozen=True, eq=False)
class ImageScores(Measured):
    """Metrics of each image of a split under one noise, from one run.

    ``names`` has one entry an image; each of ``metrics`` is float64 ``(images,)``. ``decoded_from`` as in ``Score``.
    """

    split: str
    sigma: float
    decoded_from: str
    names: tuple[str, ...]
    metrics: dict[str, np.ndarray]


@dataclass(frozen=True, eq=False)
class Example(Measured):
    """One image, what the encoder was given, and what came back.

    ``rank`` says why it was chosen: ``best``, ``2nd best``, ``median``, ``next to median``, ``2nd worst``, ``worst``,
    or ``rank 2 of 5`` of few images. The images are uint8 ``(height, width, channels)``; ``given`` is the original
    where ``sigma`` is 0. ``metrics`` are those of the scores, taken before rounding to 8 bits.
    """

    name: str
    rank: str
    split: str
    sigma: float
    decoded_from: str
    metrics: dict[str, float]
    original: np.ndarray
    given: np.ndarray
    reconstruction: np.ndarray


# A latent is active if its posterior mean varies over images by more than this (Burda, Grosse & Salakhutdinov 2016).
ACTIVE_VARIANCE = 0.01


@dataclass(frozen=True)
class LatentRecord(Record):
    """The latents of a variational run over the clean images of a split.

    ``kl_nats`` is the mean KL divergence to N(0, 1) of each latent, in nats per image; ``mean_variance`` the variance
    over images of its posterior mean; a latent above ``active_threshold`` there is active (Burda et al. 2016, 0.01).
    ``log_likelihood_nats`` is the mean over images of log p(image | sample), ``elbo_nats`` that less the KL divergence;
    both per image, of a density over [0, 1] intensities, under the variance that ``likelihood`` says in words.
    """

    split: str
    images: int
    kl_nats: tuple[float, ...]
    mean_variance: tuple[float, ...]
    active_units: int
    active_threshold: float
    log_likelihood_nats: float
    elbo_nats: float
    likelihood: str


@dataclass(frozen=True)
class RatePoint(Measured):
    """What one codec takes and gives at one quality, over a set of images.

    ``bits_per_pixel`` counts whole files, headers included; ``payload_bits_per_pixel`` what codes the picture alone,
    without what contains it; ``estimated_bits_per_pixel`` is, for kerasae's own models, the information under the
    frozen tables. ``metrics`` are
    means over the decoded 8-bit images, against the clean image where ``sigma`` put noise on the input, and
    ``psnr_of_mean_mse`` in dB; a metric is None where an image is too small for it. Speeds are those of coding in
    memory. ``settings`` is what the codec was told.
    """

    codec: str
    quality: float
    images: int
    bytes_per_image: float
    bits_per_pixel: float
    payload_bits_per_pixel: float | None
    estimated_bits_per_pixel: float | None
    metrics: dict[str, float | None]
    encode_images_per_second: float
    decode_images_per_second: float
    settings: dict[str, Any]
    sigma: float = 0.0

    @property
    def psnr_of_mean_mse(self) -> float | None:
        """``metrics["psnr_of_mean_mse"]``."""
        return self.metrics.get("psnr_of_mean_mse")

    @property
    def ms_ssim(self) -> float | None:
        """``metrics["ms_ssim"]``."""
        return self.metrics.get("ms_ssim")


@dataclass(frozen=True)
class BdRate(Record):
    """Difference in rate of ``codec`` at equal ``metric``, in percent of ``against``; negative is better.

    ``counted`` are whole ``files``, or ``payload``, what codes the picture alone. ``overlap`` is the range of the
    metric that both reach. ``bd_rate_percent`` is None where ``message`` says why. Of a model that was trained with
    several ``seeds`` it is the mean over them, with a 95 % interval from ``low`` to ``high`` over trainings.
    """

    codec: str
    against: str
    metric: str
    bd_rate_percent: float | None
    overlap: tuple[float, float] | None
    message: str = ""
    counted: str = "files"
    low: float | None = None
    high: float | None = None
    seeds: int = 1


@dataclass(frozen=True)
class RunRecord(Record):
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


@dataclass(frozen=True)
class Difference:
    """A mean over images less that of the first run, with a 95 % bootstrap interval of the paired difference.

    ``low`` and ``high`` are None where the two runs were not scored on the same images.
    """

    mean: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ComparedScore(Measured):
    """A run's score and how far it is from that of the first run under the same split and noise.

    ``against`` is what the first run's score was decoded from: the same as here, or where one of the two is no
    variational model ``latents`` beside ``mean`` and ``sample``. For the first run itself, and where the first run has
    no such score, it is None and ``metrics`` is empty.
    """

    score: Score
    against: str | None = None
    paired_images: int | None = None
    metrics: dict[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class RunComparison(Record):
    """Two or more runs, the first of which the others are compared with.

    ``differs`` maps ``section.key`` of the recipe, or ``run.…`` of its record, to one value per run, None where a run
    has no such key; what all share is left out. ``sentences`` say what the intervals do and do not speak of.
    """

    runs: tuple[str, ...]
    differs: dict[str, tuple[Any, ...]]
    scores: tuple[ComparedScore, ...]
    sentences: tuple[str, ...]


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
class CellScore(Measured):
    """How well the runs of one cell do on the study's images under one noise; ``levels`` as in ``StudyCell``."""

    levels: dict[str, str]
    sigma: float
    decoded_from: str
    seeds: int
    images: int
    metrics: dict[str, SeedSummary]
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
class StudyRecord(Record):
    """A study: its grid, what became of it, and what it found.

    ``axes`` maps each axis to its levels, the reference first; ``answer`` holds the sentences that a reader wants
    first; ``noise_seed`` fixed each image's noise; ``failed`` maps runs that failed to what they said; ``command`` is
    what was typed. ``comparisons_along`` names the axes whose levels are compared. ``family`` is how many comparisons
    the Holm correction counts together: those in one metric along one axis, the largest number where it differs.
    ``bd_rates`` are those of the cells against each other and against the classical codecs, where rates were measured.
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
    comparisons_along: tuple[str, ...] | str
    family: int
    cells: tuple[StudyCell, ...]
    scores: tuple[CellScore, ...]
    do_nothing: tuple[CellScore, ...]
    comparisons: tuple[Comparison, ...]
    answer: tuple[str, ...]
    failed: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    noise_seed: int = 0
    bd_rates: tuple[BdRate, ...] = ()

    def __post_init__(self):
        along = self.comparisons_along
        if isinstance(along, str):  # as records of earlier versions have it
            along = [along] if along in self.axes else along.split(", ")
        object.__setattr__(self, "comparisons_along", tuple(along))


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
class RateContent(Record):
    """Rate–distortion points of models (``runs``) and classical codecs over the same images; ``title`` says which."""

    title: str
    points: tuple[RatePoint, ...]
    bd_rates: tuple[BdRate, ...]
    runs: tuple[str, ...] = ()


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
    audits: tuple[Audit, ...] = ()
