"""Recipe → run, trained, scored under every noise of a study, and perhaps measured as a codec."""

from functools import cached_property

from kerasae.atomic import write_json
from kerasae.data import ImageSet, load_images, split_indices
from kerasae.evaluation import evaluate, score_run
from kerasae.evaluation.save_scores import save_measured
from kerasae.models import Compressor
from kerasae.recipe import Recipe
from kerasae.studies.evidence import missing_sigmas, rate_path
from kerasae.studies.job import Job
from kerasae.studies.tell_epochs import TellEpochs
from kerasae.training import Run, train
from kerasae.training.name import equal_run


class _Loaded:
    """The images and the model of a run, loaded when they are first asked for."""

    def __init__(self, run: Run):
        self.run = run

    @cached_property
    def images(self) -> ImageSet:
        return load_images(self.run.recipe.data)

    @cached_property
    def model(self) -> Compressor:
        return self.run.load_model()


def perform_run(job: Job, recipe: Recipe, tell) -> dict:
    """Bring the run of ``job`` to where the study can read it, doing what is not done yet; return its name."""
    run = equal_run(recipe, job.backend, job.runs) or train(recipe, runs=job.runs, reporter=TellEpochs(tell))
    loaded = _Loaded(run)
    if not run.scores():
        score_run(run, loaded.images, loaded.model)
    sigmas = missing_sigmas(run, job)
    if sigmas:
        evaluation = evaluate(
            run,
            images=loaded.images,
            model=loaded.model,
            splits=[job.split],
            sigmas=sigmas,
            seed=job.noise_seed,
        )
        save_measured(run.folder, evaluation)
    if job.rate and not rate_path(run, job.split).is_file():
        _measure_rate(run, loaded, job.split)
    return {"run": run.name}


def _measure_rate(run: Run, loaded: _Loaded, split: str) -> None:
    from kerasae.codec import Codec, freeze_run
    from kerasae.rate_distortion.compare import compare
    from kerasae.rate_distortion.contender import ModelContender

    freeze_run(run, images=loaded.images, model=loaded.model)
    codec = Codec.load(run)
    model = ModelContender(run.name, codec, list(reversed(range(len(codec.frozen.levels)))))
    indexes = split_indices(loaded.images, run.recipe.data)[split]
    names = [loaded.images.names[index] for index in indexes]
    points = compare([model], list(loaded.images.images[indexes]), names=names).points
    write_json(rate_path(run, split), [point.as_dict() for point in points])
