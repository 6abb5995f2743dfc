"""Run → frozen run."""

from collections.abc import Callable
from pathlib import Path

from kerasae.codec.freeze import freeze
from kerasae.codec.frozen import FILE, Frozen, weights_digest
from kerasae.codec.network import Network
from kerasae.data import load_images, split_indices
from kerasae.errors import CodecError, DataError
from kerasae.models import Compressor
from kerasae.training import Run, load_run


def freeze_run(run: Run, *, force: bool = False, progress: Callable[[int, int], None] | None = None) -> Frozen:
    """Return what is frozen of a run, ``codec.npz`` in its folder, freezing it from its training images if need be.

    ``force`` freezes anew. Raises ``RunError`` where nothing is trained, ``CodecError`` where the images cannot be
    loaded or are not those that the run was trained on.
    """
    path = run.folder / FILE
    if path.is_file() and not force:
        return Frozen.load(path)
    return _freeze(run, run.load_model(), progress, force=force)


def load_codec_parts(run: "Run | str | Path", runs: str | Path | None = None) -> tuple[Compressor, Frozen]:
    """Return the model of a run and what is frozen of it."""
    found = run if isinstance(run, Run) else load_run(run, runs)
    model = found.load_model()
    path = found.folder / FILE
    frozen = Frozen.load(path) if path.is_file() else _freeze(found, model, None)
    if frozen.weights != weights_digest(model.get_weights()):
        raise CodecError(
            f"the tables of {found.name} were frozen for other weights; freeze it again with: "
            f"kerasae freeze {found.folder} --force"
        )
    return model, frozen


def _freeze(run: Run, model: Compressor, progress: Callable[[int, int], None] | None, *, force: bool = False) -> Frozen:
    try:
        images = load_images(run.recipe.data)
    except DataError as error:
        raise CodecError(
            f"{run.name} is not frozen for coding yet, which needs the images it was trained on, and these cannot be "
            f"loaded: {error}"
        ) from None
    if images.fingerprint != run.record.data_fingerprint:
        raise CodecError(
            f"{images.label} no longer holds the images that {run.name} was trained on (fingerprint "
            f"{images.fingerprint}, then {run.record.data_fingerprint}); train again to compress with it"
        )
    train = split_indices(images, run.recipe.data)["train"]
    frozen = freeze(Network(model), images.images, train, progress=progress)
    path = run.folder / FILE
    if path.is_file() and not force:
        # Another process froze the run meanwhile; files may have been written by its tables already.
        return Frozen.load(path)
    frozen.save(path)
    return frozen
