"""Trained model + training images → steps, predictors and tables."""

import io
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import h5py
import numpy as np

from kerasae.codec.frozen import CODERS, FILE, Frozen, weights_digest
from kerasae.codec.keras_network import KerasNetwork
from kerasae.codec.latent_coder import FEW_IMAGES, FactorizedCoder, LatentCoder
from kerasae.codec.onnx_graph import write_network
from kerasae.data import ImageSet, load_images, split_indices
from kerasae.errors import CodecError, DataError, RunError
from kerasae.files import replacing, write_text
from kerasae.metrics.registry import psnr_of_mse
from kerasae.models import Autoencoder
from kerasae.recipes import to_toml
from kerasae.training import Run
from kerasae.training.run import locked

# The weights in the file of a Keras model.
_WEIGHTS = "model.weights.h5"
# What a channel is moved by, in its own standard deviations: small enough to stay on the slope it is on, large enough
# to cross the kinks of a ReLU as quantisation does.
_MOVE = 0.25


def sensitivity(network: KerasNetwork, latents: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return ``(channels,)``: by what factor noise on a channel comes out as noise on the image.

    The squared error, summed over the pixels of an image, per squared error of the latents, summed over the positions;
    its root. Measured by moving one channel at a time of ``latents`` ``(images, rows, columns, channels)`` by uniform
    noise. A channel that moves nothing has 0.
    """
    random = np.random.default_rng(0)
    before = network.reconstruct(latents, height, width)
    factors = np.zeros(latents.shape[-1])
    for channel in range(latents.shape[-1]):
        noise = (random.random(latents.shape[:-1]) - 0.5) * (12**0.5 * _MOVE * latents[..., channel].std())
        if not noise.any():
            continue
        moved = latents.copy()
        moved[..., channel] += noise
        # What float32 made of the sum, not what was asked for.
        into = float(((moved - latents).astype(np.float64) ** 2).sum())
        out = float(((network.reconstruct(moved, height, width) - before).astype(np.float64) ** 2).sum())
        factors[channel] = (out / into) ** 0.5 if into else 0.0
    return factors


# Beyond these, more training images would not change a table that matters.
_MOST_LATENTS = 2**24
_MOST_IMAGES = 8192


def training_sample(network: KerasNetwork, images: np.ndarray, indexes: np.ndarray) -> np.ndarray:
    """Return uint8 training images, of many as many as are needed, shuffled: parts of them stand for the whole."""
    rows, columns = network.geometry.grid(*images.shape[1:3])
    most = max(2, min(_MOST_IMAGES, _MOST_LATENTS // (rows * columns * network.channels)))
    order = np.random.default_rng(0).permutation(len(indexes))[:most]
    # Read in the order they lie in, which a memory map is fast at.
    ordered = np.sort(indexes[order])
    return np.asarray(images[ordered])[np.argsort(np.argsort(indexes[order]))]


def encoded(network: KerasNetwork, images: np.ndarray) -> np.ndarray:
    """Return what ``network.encode`` gives of many images, a part of them at a time."""
    return np.concatenate([network.encode(images[start : start + 256]) for start in range(0, len(images), 256)])


def rate_and_errors(
    network: KerasNetwork, level: LatentCoder, latents: np.ndarray, originals: np.ndarray
) -> tuple[float, np.ndarray]:
    """Return the mean bits per pixel of ``latents`` under the tables of ``level``, and ``squared_errors`` decoded."""
    quantized = level.quantize(latents)
    bits = float(level.estimated_bits(quantized).mean() / originals[0, ..., 0].size)
    return bits, squared_errors(network, level.dequantize(quantized), originals)


def squared_errors(network: KerasNetwork, latents: np.ndarray, originals: np.ndarray) -> np.ndarray:
    """Return the mean squared error of each 8-bit reconstruction, in [0, 1] intensity, ``(images,)``."""
    errors = []
    for start in range(0, len(latents), 64):
        decoded = network.decode(latents[start : start + 64], *originals.shape[1:3])
        difference = decoded.astype(np.float64) - originals[start : start + 64]
        errors.append((difference**2).mean(axis=(1, 2, 3)) / 255**2)
    return np.concatenate(errors)


def mean_psnr(squared_errors: np.ndarray) -> float:
    """Return the mean of the images' PSNR in dB."""
    return float(psnr_of_mse(squared_errors).mean())


# Qualities are frozen in these parts of one.
PARTS = 4
# What an error of one step squared may cost, in bits. At the best step, where bits are many, it costs 6 / ln 2 = 8.7;
# more where bits are few, and where what is rounded to 0 tells later passes nothing.
PRICES = (8.7, 13.0, 20.0, 30.0, 45.0, math.inf)


def freeze(
    network: KerasNetwork,
    images: np.ndarray,
    indexes: np.ndarray | None = None,
    *,
    lambdas: Sequence[float] = (),
    progress: Callable[[int, int], None] | None = None,
) -> Frozen:
    """Return what is frozen of a model, from ``images`` of its training split alone.

    ``images`` is uint8 ``(images, height, width, channels)``, perhaps a memory map; ``indexes`` says which of them are
    the training split, all if None. A bottleneck that names a ``coder`` has trained the steps of its qualities; any
    other leaves them to be found. ``lambdas`` are those that a learned codec was trained for. ``progress(done, total)``
    counts levels. Raises ``CodecError`` where there are fewer than two images.
    """
    indexes = np.arange(len(images)) if indexes is None else np.asarray(indexes)
    if len(indexes) < 2:
        raise CodecError(f"freezing needs at least 2 training images; got {len(indexes)}")
    if images.shape[-1] != network.geometry.channels:
        raise CodecError(
            f"training images of {images.shape[-1]} channels arrived; {network.model.name} takes "
            f"{network.geometry.channels}"
        )
    chosen = training_sample(network, images, indexes)
    latents = encoded(network, chosen)
    if network.coder is None:
        return _step_ladder(network, chosen, latents, progress)
    return _trained_qualities(network, chosen, latents, lambdas, progress)


def _trained_qualities(network: KerasNetwork, chosen: np.ndarray, latents: np.ndarray, lambdas, progress) -> Frozen:
    """Return the qualities of a learned codec, the highest first.

    Steps, offsets and corrections are those that were trained; the decoder is given the middles of bins. The price of
    errors is the one under which bits per pixel + λ · 255² · MSE is least, over training images; without ``lambdas``
    latents are merely rounded.
    """
    model = network.model
    qualities = qualities_of(model.levels)
    exported = model.bottleneck.export(qualities)
    few, originals = latents[:FEW_IMAGES], chosen[:FEW_IMAGES]
    coder, price = CODERS[network.coder], math.inf
    if len(lambdas):
        whole = model.bottleneck.export(qualities[::PARTS])
        costs = {price: _cost(network, coder.fit(whole, few, price), few, originals, lambdas[::-1]) for price in PRICES}
        price = min(costs, key=costs.get)
    levels = coder.fit(exported, latents, price)
    psnr, bits = [], []
    for level in levels:
        rate, errors = rate_and_errors(network, level, few, originals)
        bits.append(rate)
        psnr.append(mean_psnr(errors))
        if progress:
            progress(len(psnr), len(qualities))
    # Not rounded, but as the decoder is given them at the highest quality.
    exact = (few[..., : network.channels] * exported["corrections"][0]).astype(np.float32)
    return Frozen(
        tuple(levels),
        network.geometry,
        int(np.argmin(np.abs(np.array(qualities) - model.default_quality))),
        weights_digest(model.get_weights()),
        tuple(psnr),
        tuple(bits),
        mean_psnr(squared_errors(network, exact, originals)),
        len(chosen),
        qualities,
        chosen.shape[1:3],
    )


def qualities_of(levels: int) -> tuple[float, ...]:
    """Return the qualities that are frozen of so many levels, the highest first."""
    return tuple(float(levels - part / PARTS) for part in range((levels - 1) * PARTS + 1))


def _cost(network: KerasNetwork, levels: Sequence[LatentCoder], latents, originals, lambdas: Sequence[float]) -> float:
    """Return the logarithm of bits per pixel + λ · 255² · MSE, its mean over levels: a share saved counts alike."""
    costs = []
    for level, weight in zip(levels, lambdas, strict=True):
        rate, errors = rate_and_errors(network, level, latents, originals)
        costs.append(math.log(rate + weight * 255**2 * errors.mean()))
    return float(np.mean(costs))


MOST_LEVELS = 24
RATIO = 2**0.5
# The finest step adds this share to the mean squared error of the reconstruction itself.
FINEST_SHARE = 0.002
# The default step costs this much of the mean PSNR that the model has without quantisation, at most.
DEFAULT_LOSS_DB = 0.3
# No coarser step follows one that costs more than this, and none that leaves fewer bits to an image.
MOST_LOSS_DB = 10.0
LEAST_BITS = 8.0
_SENSITIVITY_IMAGES = 48
_PSNR_IMAGES = 256
# A channel that moves the picture this much less than the strongest is as good as dead: its step ends here.
_LEAST_SENSITIVITY = 1e-4


def _step_ladder(network: KerasNetwork, chosen: np.ndarray, latents: np.ndarray, progress) -> Frozen:
    """Return the ladder of steps of a model that was not trained for any, finest first.

    Channels get steps in inverse proportion to how much they move the picture, so that a unit of error costs the same
    in each: what minimises the squared error of the image at a given entropy where quantisation is fine (Gersho & Gray
    1992, section 8.3). The ladder's steps grow by √2 from one at which quantisation adds 0.2 % to the mean squared
    error, until one costs 10 dB or leaves not a byte to code.
    """
    height, width = chosen.shape[1:3]
    few, originals = latents[:_PSNR_IMAGES], chosen[:_PSNR_IMAGES]
    exact = squared_errors(network, few, originals)
    factors = sensitivity(network, latents[:_SENSITIVITY_IMAGES], height, width)
    if not factors.any():
        # Every latent is dead, as in a VAE that has collapsed altogether: one picture for all.
        factors = np.ones_like(factors)
    factors = np.maximum(factors, _LEAST_SENSITIVITY * factors.max())
    added = FINEST_SHARE * exact.mean() * chosen[0].size
    finest = math.sqrt(12 * max(added, 1e-9) / latents[0].size)
    unquantized = mean_psnr(exact)
    levels, psnr, bits = [], [], []
    for place in range(MOST_LEVELS):
        level = FactorizedCoder.at_steps(latents, finest * RATIO**place / factors, predicted=True)
        nothing_left = level.entropy(latents[0, ..., 0].size) < LEAST_BITS
        if levels and (nothing_left or psnr[-1] < unquantized - MOST_LOSS_DB):
            break
        levels.append(level)
        rate, errors = rate_and_errors(network, level, few, originals)
        bits.append(rate)
        psnr.append(mean_psnr(errors))
        if progress:
            progress(place + 1, MOST_LEVELS)
    good = [place for place, value in enumerate(psnr) if value >= unquantized - DEFAULT_LOSS_DB]
    return Frozen(
        tuple(levels),
        network.geometry,
        max(good, default=0),
        weights_digest(network.model.get_weights()),
        tuple(psnr),
        tuple(bits),
        unquantized,
        len(chosen),
        usual=chosen.shape[1:3],
    )


def freeze_run(
    run: Run,
    *,
    force: bool = False,
    images: ImageSet | None = None,
    model: Autoencoder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Frozen:
    """Return what is frozen of a run, ``codec.npz`` in its folder, freezing it from its training images if need be.

    ``force`` freezes anew. ``images`` and ``model`` are the run's own, where they are loaded already. Raises
    ``RunError`` where nothing is trained or another process is at it, ``CodecError`` where the images cannot be loaded
    or are not those that the run was trained on.
    """
    path = run.folder / FILE
    if path.is_file() and not force:
        return Frozen.load(path)
    if run.status == "training":
        raise RunError(f"{run.name} is being trained by another process; wait for it")
    # Whoever comes second waits and takes the tables of the first.
    with locked(run.folder, wait=True):
        if path.is_file() and not force:
            return Frozen.load(path)
        network = KerasNetwork(model or run.load_model())
        frozen = _frozen_of(run, images, network, progress)
        # Layers unknown to ONNX stay with Keras.
        with suppress(CodecError):
            write_network(network, run.folder, run.folder / "model.keras", frozen.weights)
        frozen.save(path)
    return frozen


def _frozen_of(run: Run, images: ImageSet | None, network: KerasNetwork, progress) -> Frozen:
    images = images if images is not None else _images_of(run)
    if images.fingerprint != run.record.data_fingerprint:
        raise CodecError(
            f"{images.label} no longer holds the images that {run.name} was trained on (fingerprint "
            f"{images.fingerprint}, then {run.record.data_fingerprint}); train again to compress with it"
        )
    train = split_indices(images, run.recipe.data)["train"]
    return freeze(network, images.images, train, lambdas=lambdas_of(network.model), progress=progress)


def lambdas_of(model: Autoencoder) -> tuple[float, ...]:
    """Return the lambdas of a learned codec that was trained for the squared error, which the price of errors is of."""
    return getattr(model, "lambdas", ()) if getattr(model, "rate_distortion", "mse") == "mse" else ()


def _images_of(run: Run) -> ImageSet:
    try:
        return load_images(run.recipe.data)
    except DataError as error:
        raise CodecError(
            f"{run.name} is not frozen for coding yet, which needs the images it was trained on, and these cannot be "
            f"loaded: {error}"
        ) from None


def export_run(run: Run, folder: str | Path, *, progress: Callable[[int, int], None] | None = None) -> Path:
    """Write what compresses and what to train on from, weights as float16, as a run of its own into ``folder``.

    A fifth of the bytes of the run: without checkpoints, scores and figures. Its tables are frozen anew, for the
    rounded weights. Returns the folder. Raises ``RunError`` and ``CodecError`` where the run cannot be frozen.
    """
    folder, model = Path(folder).expanduser(), run.load_model()
    model.set_weights([_in_float16(weight) for weight in model.get_weights()])
    network = KerasNetwork(model)
    frozen = _frozen_of(run, None, network, progress)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "model.keras"
    with replacing(file) as partial:
        model.save(partial)
    with replacing(file) as partial:
        _store_as_float16(file, partial)
    write_network(network, folder, file, frozen.weights, half=True)
    frozen.save(folder / FILE)
    plain = run.recipe.as_dict()
    if "path" in plain["data"]:
        # Where the images lie is the business of the machine that it was trained on.
        plain["data"]["path"] = Path(plain["data"]["path"]).name
    write_text(folder / "recipe.toml", to_toml(plain))
    write_text(folder / "history.csv", (run.folder / "history.csv").read_text(encoding="utf-8"))
    Run(folder).write_record(replace(run.record, name=folder.name))
    return folder


def _in_float16(weight: np.ndarray) -> np.ndarray:
    return weight.astype(np.float16).astype(weight.dtype) if weight.dtype == np.float32 else weight


def _store_as_float16(model: Path, smaller: Path) -> None:
    """Write the file of a Keras model again with its float32 weights, which are such, as float16, and compressed."""
    buffer = io.BytesIO()
    with ZipFile(model) as old, ZipFile(smaller, "w", ZIP_DEFLATED) as new:
        with h5py.File(io.BytesIO(old.read(_WEIGHTS))) as weights, h5py.File(buffer, "w") as halves:

            def copy(name: str, item) -> None:
                if isinstance(item, h5py.Group):
                    copied = halves.require_group(name)
                else:
                    values = item[()]
                    halved = values.astype(np.float16) if values.dtype == np.float32 else values
                    copied = halves.create_dataset(name, data=halved)
                copied.attrs.update(item.attrs)

            halves.attrs.update(weights.attrs)
            weights.visititems(copy)
        for name in old.namelist():
            new.writestr(name, buffer.getvalue() if name == _WEIGHTS else old.read(name))
