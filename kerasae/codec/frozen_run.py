"""Run → frozen run."""

from collections.abc import Callable

from kerasae.codec.freeze import freeze
from kerasae.codec.frozen import FILE, Frozen
from kerasae.codec.network import Network
from kerasae.data import ImageSet, load_images, split_indices
from kerasae.errors import CodecError, DataError
from kerasae.models import Compressor
from kerasae.training import Run


def freeze_run(
    run: Run,
    *,
    force: bool = False,
    images: ImageSet | None = None,
    model: Compressor | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Frozen:
    """Return what is frozen of a run, ``codec.npz`` in its folder, freezing it from its training images if need be.

    ``force`` freezes anew. ``images`` and ``model`` are the run's own, where they are loaded already. Raises
    ``RunError`` where nothing is trained, ``CodecError`` where the images cannot be loaded or are not those that the
    run was trained on.
    """
    path = run.folder / FILE
    if path.is_file() and not force:
        return Frozen.load(path)
    model = model or run.load_model()
    images = images if images is not None else _images_of(run)
    if images.fingerprint != run.record.data_fingerprint:
        raise CodecError(
            f"{images.label} no longer holds the images that {run.name} was trained on (fingerprint "
            f"{images.fingerprint}, then {run.record.data_fingerprint}); train again to compress with it"
        )
    train = split_indices(images, run.recipe.data)["train"]
    frozen = freeze(Network(model), images.images, train, lambdas=_lambdas(run), progress=progress)
    if path.is_file() and not force:
        # Another process froze the run meanwhile; files may have been written by its tables already.
        return Frozen.load(path)
    frozen.save(path)
    return frozen


def _lambdas(run: Run) -> tuple[float, ...]:
    objective = run.recipe.objective
    # Under another distortion λ weighs something else than the squared error, by which the dead zone is chosen.
    return objective.lambdas if run.recipe.model.has_entropy_model and objective.distortion == "mse" else ()


def _images_of(run: Run) -> ImageSet:
    try:
        return load_images(run.recipe.data)
    except DataError as error:
        raise CodecError(
            f"{run.name} is not frozen for coding yet, which needs the images it was trained on, and these cannot be "
            f"loaded: {error}"
        ) from None
