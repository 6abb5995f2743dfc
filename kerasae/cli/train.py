"""``kerasae train``, and what it shares with ``noise-sweep``."""

import json as json_module
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer
from rich.console import Console

from kerasae.cli import options
from kerasae.cli.console import TrainingProgress, err, out, waiting

if TYPE_CHECKING:
    from kerasae.data import ImageSet
    from kerasae.models import Autoencoder
    from kerasae.recipes import Recipe
    from kerasae.training import Run


def draw_figures(run) -> None:
    """Write the run's loss curves, and per test condition its histograms and its best, median and worst images.

    From what its folder holds alone: no Keras, no images. Figures that are there already are drawn anew.
    """
    from kerasae.reports import loss_curves, metric_histograms

    folder, name = run.folder / "figures", run.record.recipe_name
    loss_curves(run.history(), folder / "loss_curves.png", name, best_epoch=run.record.best_epoch)
    examples = run.examples()
    for sigma in dict.fromkeys(score.sigma for score in run.scores() if score.split == "test"):
        noise = f", input sigma {sigma:g}" if sigma else ""
        suffix = f"_sigma_{sigma:g}" if sigma else ""
        for scores in run.image_scores(split="test", sigma=sigma):
            how = scores.decoded_from
            tail = suffix if how == "latents" else f"_{how}{suffix}"
            title = f"{name}, test images{noise}" + ("" if how == "latents" else f", decoded from the {how}")
            metrics = {metric: getattr(scores, metric) for metric in ("mse", "psnr", "ssim")}
            metric_histograms(metrics, folder / f"histograms{tail}.png", title)
            shown = [one for one in examples if (one.sigma, one.decoded_from) == (sigma, how)]
            if shown:
                _grid(folder / f"reconstructions{tail}.png", title, shown)


def _grid(path, title, examples) -> None:
    from kerasae.reports import reconstruction_grid

    def pixels(what):
        return np.stack([getattr(example, what) for example in examples]) / 255.0

    reconstruction_grid(
        path,
        originals=pixels("original"),
        inputs=pixels("given") if examples[0].sigma else None,
        reconstructions=pixels("reconstruction"),
        captions=[f"{one.rank}\n{one.psnr:.2f} dB, SSIM {one.ssim:.3f}" for one in examples],
        title=title,
    )


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
    from kerasae.training.devices import ask_for_threads, asked_for, join_processes

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
    from kerasae.training.devices import is_first_process, leave_processes

    # The others may end while this one still works.
    leave_processes()
    return is_first_process()


def score_and_draw(run: "Run") -> "tuple[ImageSet, Autoencoder]":
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


def train(
    recipe: Annotated[str | None, typer.Argument(help="A recipe: a TOML file or the name of a shipped one.")] = None,
    data: options.Data = None,
    epochs: options.Epochs = None,
    seed: options.Seed = None,
    set: options.Set = None,
    runs: options.Runs = None,
    resume: Annotated[
        str | None, typer.Option("--resume", help="Go on with a stopped run, to the same bits.", metavar="RUN")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Train again even if the run is there.")] = False,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Log every epoch for TensorBoard, to the run's folder tensorboard.")
    ] = False,
    json: options.Json = False,
) -> None:
    """Train a recipe, evaluate it and print the table.

    The run folder holds the model, the history, the scores of every image and the figures. Training the same recipe
    again goes on where it was stopped, or shows the scores it has.
    """

    if (recipe is None) == (resume is None):
        raise typer.BadParameter("give a recipe, or --resume RUN, and not both")
    if resume is not None:
        if data or epochs or seed is not None or set or force:
            raise typer.BadParameter("--resume goes on with the run's own recipe; leave the other options out")
        resolved, runs = _resumed(resume, runs)
    else:
        from kerasae.recipes import load_recipe

        resolved = load_recipe(recipe, data=data, epochs=epochs, seed=seed, set=set or ())
    train_and_score(resolved, runs=runs, force=force, as_json=json, tensorboard=tensorboard)


def _resumed(name: str, runs: str | None):
    """Return the recipe of a run and the folder of runs it lies in."""
    from kerasae.errors import RunError
    from kerasae.runtime import wanted_backend
    from kerasae.training import load_run

    run = load_run(name, runs)
    if run.record.backend != wanted_backend():
        raise RunError(
            f"{run.name} was begun on {run.record.backend} and resumes exactly only there; "
            f"set KERAS_BACKEND={run.record.backend}"
        )
    return run.recipe, str(run.folder.resolve().parent)
