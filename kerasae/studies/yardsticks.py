"""What every model of a study is held against: the noisy image itself, and the classical codecs."""

from pathlib import Path

from kerasae.atomic import write_json
from kerasae.data import load_images, split_indices
from kerasae.evaluation.measure import measure
from kerasae.evaluation.scorer import Scorer
from kerasae.recipe import Recipe
from kerasae.studies.evidence import codecs_path
from kerasae.studies.job import Job
from kerasae.training.image_scores import image_scores_path, save_image_scores


def score_nothing(job: Job, recipe: Recipe) -> dict:
    """Score the noisy images of the study's split under each of its sigmas above 0, into the study's folder."""
    images = load_images(recipe.data)
    indexes, scorer = split_indices(images, recipe.data)[job.split], Scorer(None)
    for sigma in job.sigmas:
        path = image_scores_path(Path(job.folder), split=job.split, sigma=sigma, seed=job.noise_seed)
        if sigma and not path.is_file():
            measured = measure(scorer, images, indexes, sigma=sigma, seed=job.noise_seed)
            save_image_scores(path, measured.names, measured.metrics)
    return {}


def measure_codecs(job: Job, recipe: Recipe) -> dict:
    """Measure the installed classical codecs, at best effort, on the study's images, into the study's folder."""
    from kerasae.rate_distortion.classical import classical_codec, installed_codecs
    from kerasae.rate_distortion.compare import compare
    from kerasae.rate_distortion.contender import ClassicalContender

    images = load_images(recipe.data)
    indexes = split_indices(images, recipe.data)[job.split]
    codecs = [classical_codec(name) for name in installed_codecs()]
    contenders = [ClassicalContender(codec, codec.qualities, "best") for codec in codecs]
    names = [images.names[index] for index in indexes]
    points = compare(contenders, list(images.images[indexes]), names=names).points
    write_json(codecs_path(job.folder), [point.as_dict() for point in points])
    return {}
