"""Several runs over a range of noise."""

from collections.abc import Callable, Sequence

from kerasae.data import load_images
from kerasae.errors import RunError
from kerasae.evaluation.score import chosen_indexes, do_nothing, evaluate
from kerasae.records import Score
from kerasae.training import Run

DEFAULT_SIGMAS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3)


def noise_sweep(
    runs: Sequence[Run],
    *,
    sigmas: Sequence[float] = DEFAULT_SIGMAS,
    split: str = "test",
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> list[Score]:
    """Return the scores of every run at every sigma, and those of doing nothing at every sigma above 0.

    All runs see the same images under the same noise. Raises ``RunError`` where their recipes name different images.
    """
    data = runs[0].recipe.data
    for run in runs[1:]:
        if run.recipe.data != data:
            raise RunError(
                f"{run.name} and {runs[0].name} were trained on different images or splits, so their scores do not "
                "compare; sweep them one at a time"
            )
    images = load_images(data)
    rows = []
    for run in runs:
        if progress:
            progress(run.name)
        rows += evaluate(run, images=images, splits=[split], sigmas=sigmas, seed=seed).scores
    indexes = chosen_indexes(images, data, [split])[split]
    return rows + do_nothing(images, indexes, split=split, sigmas=[sigma for sigma in sigmas if sigma], seed=seed)
