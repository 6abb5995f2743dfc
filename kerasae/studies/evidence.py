"""What of a study's evidence is on disk already."""

from pathlib import Path

from kerasae.studies.job import Job
from kerasae.training import Run
from kerasae.training.image_scores import image_scores_path


def is_done(run: Run | None, job: Job) -> bool:
    """Return whether a run holds all that ``job`` would bring about."""
    if run is None or not run.is_finished or not (run.folder / "scores.json").is_file() or missing_sigmas(run, job):
        return False
    return not job.rate or rate_path(run, job.split).is_file()


def missing_sigmas(run: Run, job: Job) -> list[float]:
    """Return the sigmas of ``job`` under which the run is not scored yet."""
    return [sigma for sigma in job.sigmas if not _scores_path(run.folder, job, sigma).is_file()]


def nothing_is_done(job: Job) -> bool:
    """Return whether the noisy images themselves are scored under every sigma of ``job`` above 0."""
    return all(_scores_path(Path(job.folder), job, sigma).is_file() for sigma in job.sigmas if sigma)


def rate_path(run: Run, split: str) -> Path:
    """Return where the points of a run as a codec are kept."""
    return run.folder / f"rate_distortion_{split}.json"


def codecs_path(folder: str | Path) -> Path:
    """Return where a study keeps the points of the classical codecs."""
    return Path(folder) / "codecs.json"


def _scores_path(folder: Path, job: Job, sigma: float) -> Path:
    return image_scores_path(folder, split=job.split, sigma=sigma, seed=job.noise_seed)
