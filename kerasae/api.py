"""What the commands do, in Python: train and everything that follows it, evaluate, report.

``kerasae.train`` takes a recipe or a model of your own, on images of a source or of an array; what it leaves behind is
a run, which every other function and command takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kerasae.console import TrainingProgress, err, out, waiting
from kerasae.errors import DataError, KerasaeError, ReportError, RunError
from kerasae.files import write_text
from kerasae.recipes import Recipe, recipe_from
from kerasae.training import Run, load_run
from kerasae.training.given import changed_recipe, image_set, recipe_of_model

if TYPE_CHECKING:
    import keras

    from kerasae.data import ImageSet
    from kerasae.evaluation import Evaluation
    from kerasae.models import Autoencoder
    from kerasae.records import Audit

_ENDINGS = {"html": (".html", ".htm"), "markdown": (".md", ".markdown"), "latex": (".tex",), "csv": (".csv",)}


def train(
    what: str | Path | Recipe | Autoencoder,
    images: Any = None,
    validation_images: Any = None,
    *,
    test_images: Any = None,
    groups: Sequence | None = None,
    data: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    learning_rate: float | None = None,
    noise: float | None = None,
    seed: int | None = None,
    loss: Any = None,
    start_from: str | Path | Run | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    set: Sequence[str] = (),
    name: str | None = None,
    runs: str | Path | None = None,
    force: bool = False,
    tensorboard: bool = False,
    verbose: bool = True,
) -> Run:
    """Train a recipe or a model, evaluate it, draw its figures, freeze its tables, and return the run.

        run = kerasae.train("ae_l2", epochs=20)
        run = kerasae.train(model, images, validation_images, epochs=40, runs="runs")

    A run that was stopped goes on after its last finished epoch, to the same bits; a finished one is returned as it is,
    its weights given to the model. ``force`` begins anew.

    Args:
        what: a recipe, by name, path or as ``kerasae.load_recipe`` returns it; or an ``Autoencoder``,
            ``VariationalAutoencoder`` or ``LearnedCodec`` with networks of your own. Where the model was compiled, its
            optimizer and loss are used; otherwise Adam, and the loss of the model.
        images: uint8, or float in [0, 1], ``(n, height, width, channels)``; also a tf.data, ``PyDataset`` or torch
            loader of such batches, which is read into memory. Needed for a model; in the place of a recipe's source.
        validation_images, test_images: the same, where the split is yours; otherwise 10 % and 20 % of ``images`` are
            held out, whole groups at a time where ``groups`` (one label per image) says who belongs together.
        data, epochs, batch_size, learning_rate, noise, seed, set: change keys of the recipe, as the options of
            ``kerasae train`` do; ``noise`` is the sigma of Gaussian noise on the input.
        loss: a Keras loss in the place of the model's own distortion.
        start_from: a run whose weights training begins with, of the same shapes.
        callbacks: Keras' own or yours; ``self.model`` is the trainer around the model, ``self.model.autoencoder``.
        name: of the run, before its fingerprint; by default the recipe's or the model's.
        runs: the folder of runs; default ``KERASAE_RUNS``, or ``runs``.
        verbose: print progress to standard error and the table to standard output.

    Raises:
        KerasaeError: one of its subclasses, whose text says what was wrong and what to do.
    """
    from kerasae.models import Autoencoder

    changes = {"epochs": epochs, "batch_size": batch_size, "learning_rate": learning_rate, "seed": seed}
    changes["start_from"] = None if start_from is None else name_of_start(start_from, runs)
    training = {key: value for key, value in changes.items() if value is not None}
    given = None
    if images is not None:
        given = image_set(images, validation_images, test_images, groups)
    elif validation_images is not None or test_images is not None or groups is not None:
        raise DataError("validation_images, test_images and groups go with images, which are missing")
    model = what if isinstance(what, Autoencoder) else None
    if model is not None:
        if given is None and data is None:
            raise DataError(
                f"images are missing: kerasae.train({type(model).__name__}(…), images), or data='folder:PATH'"
            )
        if loss is not None:
            model.compile(model.optimizer if model.compiled else "adam", loss=loss)
        recipe = recipe_of_model(model, given, data, training, noise, set, name)
    else:
        if loss is not None:
            raise KerasaeError("loss= goes with a model; a recipe says what it minimises in [objective]")
        recipe = changed_recipe(what, given, data, training, noise, set, name)
    return train_run(
        recipe,
        runs=runs,
        force=force,
        images=given,
        model=model,
        callbacks=callbacks,
        tensorboard=tensorboard,
        verbose=verbose,
    )


def name_of_start(run: str | Path | Run, runs: str | Path | None) -> str:
    """Return what a recipe calls the run that it starts from: ``latest`` would be another one tomorrow."""
    from kerasae.training import load_run, runs_folder

    found = load_run(run.folder if hasattr(run, "folder") else run, runs).folder
    return found.name if found.parent == runs_folder(runs) else str(found.resolve())


def train_run(
    recipe: Recipe,
    *,
    runs: str | Path | None = None,
    folder: Path | None = None,
    force: bool = False,
    images: ImageSet | None = None,
    model: Autoencoder | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: bool = False,
    verbose: bool = True,
    table: bool = True,
) -> Run:
    """Train ``recipe``, then evaluate, draw and freeze what is not there yet; return the run. See ``train``.

    It lies in ``folder``, else where its recipe says. Without ``table`` progress alone is shown.
    """
    from kerasae.training.devices import is_first_process, leave_processes

    run = fitted(
        recipe,
        runs=runs,
        folder=folder,
        force=force,
        images=images,
        model=model,
        callbacks=callbacks,
        tensorboard=tensorboard,
        verbose=verbose,
    )
    # Of several processes that trained together the first alone goes on; the others may end while it still works.
    leave_processes()
    if not is_first_process():
        return run
    loaded = None if run.scores() else score(run, images=images, verbose=verbose)
    if not (run.folder / "figures" / "loss_curves.png").is_file():
        # Runs of a study are scored, but not drawn.
        draw_figures(run)
    if verbose and table:
        show(run)
    if loaded:
        # While the training images are at hand: whoever compresses later may not have them.
        with waiting("freezing tables for kerasae compress", verbose):
            from kerasae.codec import freeze_run

            freeze_run(run, images=loaded[0], model=loaded[1])
    return run


def fitted(
    recipe: Recipe,
    *,
    runs: str | Path | None = None,
    folder: Path | None = None,
    force: bool = False,
    images: ImageSet | None = None,
    model: Autoencoder | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    tensorboard: bool = False,
    verbose: bool = True,
) -> Run:
    """Return the finished run of ``recipe``, training what is not there yet, with progress on standard error."""
    from kerasae.errors import TrainingError
    from kerasae.runtime import choose_backend, wanted_backend
    from kerasae.training.devices import ask_for_threads, asked_for, join_processes

    # Before seconds go into loading a backend that cannot do it.
    asked = asked_for(recipe, wanted_backend())
    with waiting("loading the backend", verbose):
        backend = choose_backend()
        # Both before anything asks JAX for its devices.
        ask_for_threads(asked.devices)
        join_processes()
        import keras

        from kerasae.runtime import describe_device
        from kerasae.training import Reporter
        from kerasae.training import train as train_recipe
    progress = Reporter()
    if verbose:
        where = f"keras {keras.__version__} · {backend} · {describe_device()}"
        err.print(f"[bold]{recipe.name}[/] · {where}", highlight=False)
        progress = TrainingProgress(err, recipe.name)
    try:
        return train_recipe(
            recipe,
            runs=runs,
            folder=folder,
            force=force,
            reporter=progress,
            tensorboard=tensorboard,
            images=images,
            model=model,
            callbacks=callbacks,
        )
    except (KeyboardInterrupt, SystemExit):
        progress.close()
        if verbose:
            err.print("stopped; the same command goes on after the last finished epoch", highlight=False)
        raise
    except TrainingError:
        progress.close()
        raise
    finally:
        progress.close()


def evaluate(
    run: str | Path | Run,
    images: Any = None,
    *,
    data: str | None = None,
    set: Sequence[str] = (),
    splits: Sequence[str] | None = None,
    sigmas: Sequence[float] | None = None,
    seed: int = 0,
    runs: str | Path | None = None,
) -> Evaluation:
    """Score a run on its own images, on an array, or on another source; clean, or under noise of ``sigmas``.

    ``run`` is a ``Run``, its folder, its name, or ``"latest"``. ``images`` is an array as for ``train``; ``data`` a
    source such as ``"folder:PATH"``, with ``set`` changing keys of ``[data]``. Scores of a run on its own validation
    and test images are kept in its folder, those on other images are only returned. Raises ``RunError`` where the run's
    own source no longer holds the images that it was trained on.
    """
    from kerasae.data import load_images
    from kerasae.evaluation import evaluate as score_images
    from kerasae.evaluation.score import own_splits

    found = run if isinstance(run, Run) else load_run(run, runs)
    own = images is None and data is None and not set
    if images is not None:
        images = image_set(images, None, None, None)
    elif not own:
        images = load_images(changed_data(found, data, set))
        # Another size or part of the run's own source has the splits of its recipe.
        splits = splits or (("all",) if data else own_splits(images, found.recipe.data))
    evaluation = score_images(found, images=images, splits=splits, sigmas=sigmas, seed=seed)
    if own and splits is None and sigmas is None and seed == 0:
        evaluation.save(found.folder)
    return evaluation


def audit(
    targets: str | Path | Run | Sequence[str | Path | Run],
    *,
    data: str | None = None,
    split: str = "test",
    groups: Sequence[str] = (),
    person: str | None = None,
    labels: str | None = None,
    codecs: Sequence[str] = ("jpeg", "webp", "avif"),
    qualities: Sequence[float] = (),
    marks: int = 2,
    sigma: float = 0.0,
    limit: int | None = None,
    seed: int = 0,
    folder: str | Path | None = None,
    runs: str | Path | None = None,
) -> Audit:
    """Return what runs do to drawn marks and to groups of persons, beside ``codecs`` of as many bytes.

    Images are the runs' own of ``split``, or those of ``data``, such as ``"folder:PATH"``. ``groups`` are columns of
    the ``labels``, a CSV file, else of those of the source; or ``brightness`` and ``contrast`` of the pixels.
    ``person`` is the column that says who is on an image. Each image gets ``marks`` marks, coded one at a time;
    ``sigma`` is noise on all that is coded. What is measured goes into ``folder``, by default that of runs, and is not
    measured again. Raises ``DataError`` where a column is missing or says nothing.
    """
    from kerasae.audits.experiment import Sitting
    from kerasae.training import runs_folder

    targets = [targets] if isinstance(targets, str | Path | Run) else targets
    found = [one if isinstance(one, Run) else load_run(one, runs) for one in targets]
    where = Path(folder) if folder else runs_folder(runs)
    asked = {"data": data, "split": split, "columns": groups, "person": person, "labels": labels, "marks": marks}
    asked |= {"qualities": qualities, "sigma": sigma, "limit": limit, "seed": seed}
    return Sitting.load(found, codecs, folder=where, **asked).run()


def report(
    target: str | Path | Run = "latest",
    path: str | Path | None = None,
    *,
    format: str | None = None,
    runs: str | Path | None = None,
    command: str = "",
) -> Path:
    """Write all there is to know of a run or a study as one page that needs no network, and return its path.

    ``path`` is by default ``report.html`` in the folder of the run or study; by its ending, or by ``format``, it may be
    Markdown, LaTeX or CSV of the table instead. From records on disk alone: no Keras, no images.
    """
    from kerasae.studies.results import find_study

    target = target.folder if isinstance(target, Run) else target
    text = report_text(target, format=report_format(format, path), runs=runs, command=command)
    folder = find_study(str(target), runs)
    folder = folder if folder is not None else load_run(target, runs).folder
    path = Path(path).expanduser() if path else folder / "report.html"
    try:
        write_text(path, text)
    except OSError as error:
        raise KerasaeError(f"{path} cannot be written: {error.strerror}; write elsewhere with -o") from None
    return path


def report_text(target: str | Path, *, format: str, runs: str | Path | None = None, command: str = "") -> str:
    """Return the report of a run or a study in ``format``: html, markdown, latex or csv."""
    from kerasae import reports
    from kerasae.studies.results import load_report

    content = load_report(str(target), runs=runs, command=command)
    return reports.page(content) if format == "html" else reports.report_text(content, format)


def report_format(format: str | None, path: str | Path | None) -> str:
    """Return the format that is asked for, or that the ending of ``path`` says; raises ``ReportError`` for others."""
    if format is not None and format not in _ENDINGS:
        raise ReportError(f"--format {format!r} is not one of {', '.join(_ENDINGS)}")
    ending = Path(path).suffix.lower() if path and str(path) != "-" else ""
    if not path or str(path) == "-" or (format and ending in ("", ".txt")):
        return format or "html"
    allowed = {ending: name for name, endings in _ENDINGS.items() for ending in endings if format in (None, name)}
    if ending not in allowed:
        what = f"a report in {format}" if format else "a report"
        raise ReportError(f"{path} does not end as {what} does; name a file that ends in {', '.join(allowed)}")
    return allowed[ending]


# === Parts ===


def score(run: Run, *, images: ImageSet | None = None, verbose: bool = True) -> tuple[ImageSet, Autoencoder]:
    """Evaluate ``run`` on its validation and test images and write scores and figures into its folder.

    Return its images and its model.
    """
    from kerasae.evaluation import score_run

    with waiting("evaluating", verbose):
        images = run.load_images() if images is None else images
        model = run.load_model()
        score_run(run, images, model)
        draw_figures(run)
    return images, model


def draw_figures(run: Run) -> None:
    """Write the run's loss curves, and per test condition its histograms and its best, median and worst images.

    From what its folder holds alone: no Keras, no images. Figures that are there already are drawn anew.
    """
    from kerasae.reports import loss_curves, metric_histograms, reconstruction_grid

    folder, name = run.folder / "figures", run.record.recipe_name
    loss_curves(run.history(), folder / "loss_curves.png", name, best_epoch=run.record.best_epoch)
    examples = run.examples()
    split = "test" if any(score.split == "test" for score in run.scores()) else "validation"
    for sigma in dict.fromkeys(score.sigma for score in run.scores() if score.split == split):
        noise = f", input sigma {sigma:g}" if sigma else ""
        suffix = f"_sigma_{sigma:g}" if sigma else ""
        for scores in run.image_scores(split=split, sigma=sigma):
            how = scores.decoded_from
            tail = suffix if how == "latents" else f"_{how}{suffix}"
            title = f"{name}, {split} images{noise}" + ("" if how == "latents" else f", decoded from the {how}")
            metric_histograms(scores.metrics, folder / f"histograms{tail}.png", title)
            shown = [one for one in examples if (one.sigma, one.decoded_from) == (sigma, how)]
            if shown:
                reconstruction_grid(folder / f"reconstructions{tail}.png", shown, title)


def show(run: Run) -> None:
    """Print the table of a run's scores and what a reader should know of it."""
    from kerasae.reports import score_table

    record = run.record
    out.print(score_table(run.scores(), title=f"{record.recipe_name} on {record.backend}"))
    out.print(
        f"{record.parameters:,} parameters · latent_ratio {record.latent_ratio:g} (numbers, not bytes) · "
        f"best epoch {record.best_epoch} of {record.epochs_done} · {record.training_seconds:.0f} s at "
        f"{record.images_per_second:,.0f} images/s",
        highlight=False,
    )
    out.print(f"objective: {record.objective}", highlight=False)
    out.print(f"run: {run.folder}", highlight=False, soft_wrap=True)


def changed_data(run: Run, data: str | None, set: Sequence[str]):
    """Return the run's ``[data]`` section with another source, and keys of it changed."""
    from kerasae.errors import RecipeError
    from kerasae.recipes.load import replace_data, set_key

    plain = run.recipe.as_dict()
    if data:
        plain = replace_data(plain, data)
    for assignment in set:
        if not assignment.startswith("data."):
            raise RecipeError(
                f"--set {assignment!r}: a trained run keeps its recipe; only keys of [data] can change here"
            )
        plain = set_key(plain, assignment)
    return recipe_from(plain, name=run.recipe.name, origin=f"{run.name} with --data").data


def resumed(name: str | Path, runs: str | Path | None = None) -> tuple[Recipe, Path]:
    """Return the recipe of a run that was begun on this backend, and its folder, whatever that is called by now."""
    from kerasae.runtime import wanted_backend

    run = load_run(name, runs)
    if run.record.backend != wanted_backend():
        raise RunError(
            f"{run.name} was begun on {run.record.backend} and resumes exactly only there; "
            f"set KERAS_BACKEND={run.record.backend}"
        )
    return run.recipe, run.folder.resolve()
