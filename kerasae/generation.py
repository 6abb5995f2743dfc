"""Images out of a variational model: samples, interpolations, traversals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from kerasae.data import ImageSet, read_image, split_indices
from kerasae.entropy.bottlenecks import LOG_VARIANCE_RANGE
from kerasae.errors import DataError, ModelError
from kerasae.files import readable
from kerasae.models import Autoencoder
from kerasae.records import ACTIVE_VARIANCE
from kerasae.training import Run


def refuse_without_prior(run: Run) -> None:
    """Raise ``ModelError`` where ``run`` is not variational; loads no Keras."""
    kind = run.recipe.model.kind
    if not run.recipe.model.is_variational:
        raise ModelError(
            f"{run.name} is a {kind}: its latents have no distribution to draw from; "
            "generate takes runs of variational models"
        )


_BATCH = 64


def posteriors(model: Autoencoder, images: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return mean, variance and KL divergence to N(0, 1) in nats of each latent, each ``(images, latents)`` float64.

    ``images`` is ``(images, height, width, channels)`` uint8; latents of any rank are laid out in one row.
    """
    parts = []
    for start in range(0, len(images), _BATCH):
        batch = np.asarray(images[start : start + _BATCH]).astype("float32") / 255.0
        # As NumPy arrays they carry no gradients along on PyTorch.
        encoded = [keras.ops.convert_to_numpy(part) for part in model.encoder(batch)]
        parts.append([*encoded, keras.ops.convert_to_numpy(model.bottleneck.rate_per_latent(encoded))])
    columns = (np.concatenate(column).astype("float64") for column in zip(*parts, strict=True))
    mean, log_variance, kl = (column.reshape(len(column), -1) for column in columns)
    return mean, np.exp(np.clip(log_variance, *LOG_VARIANCE_RANGE)), kl


def decode(model: Autoencoder, latents: np.ndarray, image_shape: tuple[int, ...]) -> np.ndarray:
    """Return the images of ``latents`` ``(…, latents)``: ``(…, *image_shape)`` float32 in [0, 1]."""
    flat = np.asarray(latents, "float32").reshape(-1, *model.latent_shape_for(image_shape))
    parts = [
        keras.ops.convert_to_numpy(model.decode(flat[start : start + _BATCH])) for start in range(0, len(flat), _BATCH)
    ]
    return np.concatenate(parts).reshape(*latents.shape[:-1], *image_shape)


@dataclass(frozen=True, eq=False)
class ImageGrid:
    """One figure's images and the words around them.

    ``rows`` holds per row float images in [0, 1], ``(height, width, channels)``, and where intensities are compared
    signed changes in [−1, 1], ``(height, width)``; the last row may be shorter. ``row_labels`` and ``column_labels``
    are empty or one per row and column. ``apart`` holds the indexes of columns that stand apart from the others.
    ``name`` is the file's stem, ``note`` says how the images came about.
    """

    name: str
    title: str
    note: str
    rows: tuple[tuple[np.ndarray, ...], ...]
    row_labels: tuple[str, ...] = ()
    column_labels: tuple[str, ...] = ()
    apart: tuple[int, ...] = ()


def prior_points(count: int, latents: int, *, seed: int) -> np.ndarray:
    """Return draws of N(0, 1), ``(count, latents)`` float32; the first are the same whatever ``count`` is."""
    return np.random.Generator(np.random.PCG64(seed)).standard_normal((count, latents), dtype="float32")


def points_between(first: np.ndarray, second: np.ndarray, steps: int) -> np.ndarray:
    """Return ``steps`` points on the straight line from ``first`` to ``second``, both included.

    ``first`` and ``second`` are posterior means ``(latents,)``; the result is ``(steps, latents)``.
    """
    share = np.linspace(0.0, 1.0, steps)[:, None]
    return (1.0 - share) * first + share * second


@dataclass(frozen=True, eq=False)
class Aggregate:
    """The aggregate posterior, latent by latent: the mixture of the posteriors of ``images`` images of ``split``.

    ``mean`` and ``std`` are those of the mixture, ``kl_nats`` the mean KL divergence to N(0, 1), ``mean_variance`` the
    variance over images of the posterior mean; each ``(latents,)`` float64.
    """

    images: int
    mean: np.ndarray
    std: np.ndarray
    kl_nats: np.ndarray
    mean_variance: np.ndarray
    split: str

    @classmethod
    def of(cls, mean: np.ndarray, variance: np.ndarray, kl: np.ndarray, split: str) -> "Aggregate":
        """Return the aggregate of posteriors, each argument ``(images, latents)``."""
        spread = mean.var(axis=0)
        # Law of total variance: between the images' means, and within each image's posterior.
        return cls(
            len(mean), mean.mean(axis=0), np.sqrt(spread + variance.mean(axis=0)), kl.mean(axis=0), spread, split
        )

    def most_active(self, count: int) -> np.ndarray:
        """Return the indexes of the ``count`` latents with the largest KL divergence, the largest first."""
        return np.argsort(-self.kl_nats, kind="stable")[:count]


def points_along(start: np.ndarray, aggregate: Aggregate, latent: int, deviations: Sequence[float]) -> np.ndarray:
    """Return ``start`` ``(latents,)`` with one latent at so many standard deviations of the aggregate.

    The result is ``(len(deviations), latents)``.
    """
    points = np.repeat(start[None], len(deviations), axis=0)
    points[:, latent] = aggregate.mean[latent] + np.asarray(deviations) * aggregate.std[latent]
    return points


DEVIATIONS = (-3, -2, -1, 0, 1, 2, 3)
_COLUMNS, _STEPS, _PAIRS = 8, 7, 4
_FACTORS = (1, 2, 3, 5, 10, 20, 50, 100)


def generate(
    run: Run,
    *,
    images: ImageSet | None = None,
    count: int = 32,
    seed: int = 0,
    between: Sequence[str | Path] = (),
    dimensions: int = 8,
) -> tuple[ImageGrid, ImageGrid, ImageGrid]:
    """Return samples of the prior, interpolations and traversals of the most active latents, all decoded by ``run``.

    Args:
        run: a finished run of a variational model.
        images: what the run was trained and tested on, where its recipe does not say where they are.
        count: how many samples of the prior.
        seed: decides those samples and which images the rest begins with, the same on every backend.
        between: two image files to interpolate between, and of which the first is traversed; else test images, or
            validation images of a run without.
        dimensions: how many latents to traverse, or all where there are fewer.

    Raises ``ModelError`` for other models, ``RunError`` where there is no trained model, ``DataError`` for images that
    cannot be had.
    """
    refuse_without_prior(run)
    model, images = run.load_model(), images if images is not None else run.load_images()
    splits = split_indices(images, run.recipe.data)
    # A run that was given validation images and no others has no test images.
    split = "test" if len(splits["test"]) else "validation"
    aggregate = Aggregate.of(*posteriors(model, images.images[splits[split]]), split)
    if between:
        names = tuple(readable(Path(path).name) for path in between)
        chosen = np.stack([_read(path, run, images.images.shape[1:]) for path in between])
    else:
        picked = _pick(splits[split], seed, run, split)
        names, chosen = tuple(images.names[index] for index in picked), np.asarray(images.images[picked])
    means, _, _ = posteriors(model, chosen)
    about = f"{run.record.recipe_name} on {images.label}"
    return (
        _samples(model, about, count, seed, chosen.shape[1:]),
        _interpolations(model, about, names, chosen.astype("float32") / 255.0, means),
        _traversals(model, about, names[0], means[0], aggregate, dimensions, chosen.shape[1:]),
    )


def _pick(indexes: np.ndarray, seed: int, run: Run, split: str) -> np.ndarray:
    """Return up to eight of ``indexes``, an even number."""
    count = min(2 * _PAIRS, len(indexes) // 2 * 2)
    if count == 0:
        raise DataError(f"{run.name} has a single {split} image; name two files with --between IMAGE IMAGE")
    return np.random.Generator(np.random.PCG64([seed, 1])).choice(indexes, count, replace=False)


def _read(path: str | Path, run: Run, shape: tuple[int, ...]) -> np.ndarray:
    """Return the image of a file, brought to ``shape`` (height, width, channels) where that is square."""
    height, width, channels = shape
    fit = run.recipe.data.fit
    size = {"image_size": height, "fit": "crop" if fit == "patches" else fit} if height == width else {}
    image = read_image(path, channels=channels, **size)
    if image.shape != shape:
        raise DataError(
            f"{path} has {image.shape[0]}×{image.shape[1]} pixels; {run.name} was trained on images of {height}×{width}"
        )
    return image


def _samples(model: Autoencoder, about: str, count: int, seed: int, image_shape: tuple[int, ...]) -> ImageGrid:
    latents = math.prod(model.latent_shape_for(image_shape))
    decoded = decode(model, prior_points(count, latents, seed=seed), image_shape)
    rows = tuple(tuple(decoded[start : start + _COLUMNS]) for start in range(0, count, _COLUMNS))
    note = f"z drawn from N(0, 1) in all {latents} latents, seed {seed}; the decoder's mean, no noise added"
    return ImageGrid("prior_samples", f"{about}: samples of the prior", note, rows)


def _interpolations(model, about: str, names: Sequence[str], originals: np.ndarray, means: np.ndarray) -> ImageGrid:
    pairs = [(index, index + 1) for index in range(0, len(names), 2)]
    points = np.stack([points_between(means[a], means[b], _STEPS) for a, b in pairs])
    decoded = decode(model, points, originals.shape[1:])
    rows = tuple((originals[a], *between, originals[b]) for (a, b), between in zip(pairs, decoded, strict=True))
    shares = [f"{100 * share:.0f} %" for share in np.linspace(0, 1, _STEPS)]
    note = "z on the straight line between the two images' posterior means; outermost, the originals"
    labels = tuple(f"{names[a]}\nto {names[b]}" for a, b in pairs)
    columns = ("original", *shares, "original")
    return ImageGrid(
        "interpolations", f"{about}: between two images", note, rows, labels, columns, apart=(0, len(columns) - 1)
    )


def _traversals(
    model, about: str, name: str, start: np.ndarray, aggregate: Aggregate, dimensions: int, image_shape: tuple[int, ...]
) -> ImageGrid:
    latents = aggregate.most_active(dimensions)
    points = np.stack([points_along(start, aggregate, latent, DEVIATIONS) for latent in latents])
    decoded, held = decode(model, points, image_shape), decode(model, start[None], image_shape)[0]
    labels = []
    for latent in latents:
        idle = "" if aggregate.mean_variance[latent] > ACTIVE_VARIANCE else ", inactive"
        labels.append(f"latent {latent}{idle}\nKL {aggregate.kl_nats[latent]:.2f} nats")
    note = (
        f"one latent moved, in standard deviations of its aggregate posterior over {aggregate.images:,} "
        f"{aggregate.split} images; the others stay at the posterior mean of {name}; change: the last image less the "
        "first, red brighter, blue darker"
    )
    changes, factor = _amplified(decoded[:, -1] - decoded[:, 0])
    steps = [f"{deviation:+d} std".replace("-", "−") if deviation else "0 std" for deviation in DEVIATIONS]
    columns = ("unmoved", *steps, f"change × {factor}")
    rows = tuple((held, *row, change) for row, change in zip(decoded, changes, strict=True))
    title = f"{about}: the {len(rows)} latents with the largest KL divergence"
    return ImageGrid("traversals", title, note, rows, tuple(labels), columns, apart=(0, len(columns) - 1))


def _amplified(changes: np.ndarray) -> tuple[np.ndarray, int]:
    """Return ``changes`` ``(count, height, width, channels)`` as ``(count, height, width)``, magnified, and how much.

    The factor is the largest that keeps 99.5 % of them on the scale, one for all.
    """
    changes = changes.mean(axis=-1)
    top = float(np.quantile(np.abs(changes), 0.995))
    fitting = [factor for factor in _FACTORS if factor * top <= 1]
    factor = fitting[-1] if fitting else 1
    return np.clip(changes * factor, -1.0, 1.0), factor
