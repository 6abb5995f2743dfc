"""From a recipe to a run with scores, tables and figures: what ``train`` and ``noise-sweep`` share."""

import json as json_module
from contextlib import nullcontext
from typing import TYPE_CHECKING

from rich.console import Console

from kerasae.cli.console import err, out
from kerasae.cli.figures import draw_figures
from kerasae.cli.progress import TrainingProgress

if TYPE_CHECKING:
    from kerasae.data import ImageSet
    from kerasae.models import Compressor
    from kerasae.recipe import Recipe
    from kerasae.training import Run


def train_and_score(
    recipe: "Recipe", *, runs: str | None, force: bool, as_json: bool, tensorboard: bool = False
) -> "Run":
    """Train ``recipe``, evaluate and freeze it where that is not done, print the table and return the run."""
    run = trained(recipe, runs=runs, force=force, tensorboard=tensorboard)
    if not _scores_runs():
        return run
    loaded = None if run.scores() else score_and_draw(run)
    if not (run.folder / "figures" / "loss_curves.png").is_file():
        # Runs of a study are scored, but not drawn.
        draw_figures(run)
    if as_json:
        print(json_module.dumps([score.as_dict() for score in run.scores()], indent=1))
    else:
        show(run, out)
    if loaded:
        # While the training images are at hand: whoever compresses later may not have them.
        with waiting("freezing tables for kerasae compress"):
            from kerasae.codec import freeze_run

            freeze_run(run, images=loaded[0], model=loaded[1])
    return run


def trained(recipe: "Recipe", *, runs: str | None, force: bool = False, tensorboard: bool = False) -> "Run":
    """Return the finished run of ``recipe``, training what is not there yet, with progress on standard error."""
    from kerasae.errors import TrainingError
    from kerasae.runtime import choose_backend, wanted_backend
    from kerasae.training.distribution import ask_for_threads, asked_for, join_processes

    # Before seconds go into loading a backend that cannot do it.
    asked = asked_for(recipe, wanted_backend())
    with waiting("loading the backend"):
        backend = choose_backend()
        # Both before anything asks JAX for its devices.
        ask_for_threads(asked.devices)
        join_processes()
        import keras

        from kerasae.runtime import describe_device
        from kerasae.training import train
    err.print(f"[bold]{recipe.name}[/] · keras {keras.__version__} · {backend} · {describe_device()}", highlight=False)
    progress = TrainingProgress(err, recipe.name)
    try:
        return train(recipe, runs=runs, force=force, reporter=progress, tensorboard=tensorboard)
    except KeyboardInterrupt:
        progress.close()
        err.print("stopped; the same command goes on where the last checkpoint was", highlight=False)
        raise
    except TrainingError:
        progress.close()
        raise
    finally:
        progress.close()


def _scores_runs() -> bool:
    """Return whether this process goes on to evaluate: of several that trained together, the first alone does."""
    from kerasae.training.distribution import is_first_process, leave_processes

    # The others may end while this one still works.
    leave_processes()
    return is_first_process()


def score_and_draw(run: "Run") -> "tuple[ImageSet, Compressor]":
    """Evaluate ``run`` on its validation and test images and write scores and figures into its folder.

    Return its images and its model.
    """
    from kerasae.data import load_images
    from kerasae.evaluation import score_run

    with waiting("evaluating"):
        images, model = load_images(run.recipe.data), run.load_model()
        score_run(run, images, model)
        draw_figures(run)
    return images, model


def show(run: "Run", console: Console) -> None:
    """Print the table of a run's scores and what a reader should know of it."""
    from kerasae.reports import score_table

    record = run.record
    console.print(score_table(run.scores(), title=f"{record.recipe_name} on {record.backend}"))
    console.print(
        f"{record.parameters:,} parameters · latent_ratio {record.latent_ratio:g} (numbers, not bytes) · "
        f"best epoch {record.best_epoch} of {record.epochs_done} · {record.training_seconds:.0f} s at "
        f"{record.images_per_second:,.0f} images/s",
        highlight=False,
    )
    console.print(f"objective: {record.objective}", highlight=False)
    console.print(f"run: {run.folder}", highlight=False, soft_wrap=True)


def waiting(words: str):
    """Return a context that shows ``words`` with a spinner on a terminal, and nothing elsewhere."""
    return err.status(words, spinner="dots") if err.is_terminal else nullcontext()
