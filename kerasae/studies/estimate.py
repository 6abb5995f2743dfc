"""How long the rest of a study would take."""

from kerasae.errors import StudyError
from kerasae.studies.conduct import Engine, Todo
from kerasae.studies.plan import Plan, timed_by

# Loading images and saving what a run leaves; measured about 2 s on 2 CPU cores, and of no weight beside training.
_SECONDS_BESIDE = 2.0


def estimate(plan: Plan, left: Todo, engine: Engine) -> dict[str, float]:
    """Return run name → expected seconds for each run that is left, from training each kind of model for a moment.

    The timings run on ``engine``, so that a worker has the cores there that it will have in the study. Raises
    ``StudyError`` where one fails: the run would as well.
    """
    outcomes = engine(plan.timing_jobs(), lambda event: None)
    for outcome in outcomes.values():
        if outcome.status == "failed":
            raise StudyError(f"study {plan.study.name} could not be timed: {outcome.message}")
    planned, expected = plan.run_jobs(), {}
    for job in left.runs:
        _, recipe = planned[job.name]
        timing = outcomes[timed_by(recipe, job.backend)].found
        per_split = timing["scored_images"]
        trained = recipe.training.epochs * timing["train_images"] / timing["train_images_per_second"]
        # Validation in every epoch costs about a third of training on as many images: a forward pass of three.
        validated = recipe.training.epochs * per_split["validation"] / (3 * timing["train_images_per_second"])
        noises = 1 + bool(recipe.noise.sigma)
        scored = noises * (per_split["validation"] + per_split["test"])
        scored += per_split[job.split] * max(0, len(job.sigmas) - noises)
        seconds = trained + validated + scored / timing["score_images_per_second"]
        expected[job.name] = round(seconds + timing["compile_seconds"] + _SECONDS_BESIDE, 1)
    return expected
