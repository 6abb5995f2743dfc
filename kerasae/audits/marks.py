"""Drawn marks of known shape: what a codec keeps of a mole, a scar, a stroke of a tattoo or a stain."""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy import stats

from kerasae.metrics.registry import psnr_of_mse
from kerasae.records.audits import SEEN_CONTRAST, SEEN_SIZE

KINDS = ("mole", "scar", "tattoo", "stain")
# Their extent in pixels: the width of a mole at half its height, the length of a scar.
SIZES = (2, 4, 8, 12, 24)
# The largest change of intensity, in [0, 1].
CONTRASTS = (0.03, 0.06, 0.12, 0.25, 0.5)
# Of several places drawn, the one with the weakest edges is taken: marks on the outline of an eye are not seen as such.
_PLACES = 16
# Shapes are drawn so many times finer and averaged down, so that a line of half a pixel is half as dark.
_FINER = 4
_SIGMAS = 3.0
_FULL_WIDTH = 2 * math.sqrt(2 * math.log(2))


@dataclass(frozen=True, eq=False)
class Mark:
    """One mark on one image: ``image`` is its index, ``sign`` 1 for a lighter one and −1 for a darker.

    ``shape`` ``(rows, columns, 1)`` is what was really added to the pixels, in [0, 1] intensity: rounded to 8 bits, and
    cut where they end; ``top`` and ``left`` say where it lies.
    """

    image: int
    kind: str
    size: int
    contrast: float
    sign: int
    top: int
    left: int
    shape: np.ndarray

    @property
    def is_seen(self) -> bool:
        """Whether a person would see it: it is large and strong enough."""
        return self.size >= SEEN_SIZE and self.contrast >= SEEN_CONTRAST

    @property
    def window(self) -> tuple[slice, slice]:
        """Rows and columns of the image that it lies in."""
        height, width = self.shape.shape[:2]
        return slice(self.top, self.top + height), slice(self.left, self.left + width)

    def on(self, image: np.ndarray) -> np.ndarray:
        """Return a copy of a uint8 image ``(height, width, channels)`` with the mark."""
        marked = image.astype(np.int16)
        marked[self.window] += np.rint(255 * self.shape).astype(np.int16)
        return marked.astype(np.uint8)


def draw_marks(images: Sequence[np.ndarray], names: Sequence[str], *, count: int = 2, seed: int = 0) -> list[Mark]:
    """Return ``count`` marks on each of uint8 ``images`` ``(height, width, channels)``, one at a time to be seen.

    ``seed`` and the name of an image alone decide which it gets, of every kind, size and contrast, lighter or darker,
    and where: not what stands before it in the list, which may have to do with who is on it. A mark that there is no
    room for in one sign has the other; one that an image is too small for is left out.
    """
    every = list(product(KINDS, SIZES, CONTRASTS, (1, -1)))
    marks = []
    for index, (image, name) in enumerate(zip(images, names, strict=True)):
        digest = hashlib.blake2b(f"{seed}/{name}".encode("utf-8", "surrogateescape"), digest_size=8).digest()
        random = np.random.default_rng(list(digest))
        for turn in random.permutation(len(every))[:count]:
            kind, size, contrast, sign = every[turn]
            mark = _placed(image, index, kind, size, contrast, sign, random)
            marks += [] if mark is None else [mark]
    return marks


def _placed(image, index: int, kind: str, size: int, contrast: float, sign: int, random) -> Mark | None:
    shape = mark_shape(kind, size, random)
    rows, columns = shape.shape
    (height, width), pixels = image.shape[:2], image.astype(np.float32) / 255
    # Their middles lie in the middle half, where a picture of a face has it.
    free = [
        (max(0, min(length // 4 - side // 2, (length - side) // 2)), length - side)
        for length, side in ((height, rows), (width, columns))
    ]
    if min(last for _, last in free) < 0:
        return None
    gray = pixels.mean(axis=-1)
    edges = np.hypot(np.diff(gray, axis=0, append=gray[-1:]), np.diff(gray, axis=1, append=gray[:, -1:]))
    found = []
    for _ in range(_PLACES):
        top, left = (int(random.integers(low, max(low, last - low) + 1)) for low, last in free)
        under = pixels[top : top + rows, left : left + columns]
        for turned in (sign, -sign):
            wished = under + turned * contrast * shape[..., np.newaxis]
            cut = float(np.maximum(np.maximum(wished - 1, -wished), 0).max())
            strength = float((edges[top : top + rows, left : left + columns] * shape).sum() / shape.sum())
            # Room for the whole mark first, then the sign that was asked for, then the edges.
            found.append((round(cut, 3), turned != sign, strength, top, left))
    _, turned, _, top, left = min(found)
    sign = -sign if turned else sign
    # The same for all channels, so that a mark has no colour; cut alike where one of them ends.
    under = np.rint(255 * pixels[top : top + rows, left : left + columns]).astype(int)
    added = np.rint(255 * sign * contrast * shape).astype(int)[..., np.newaxis]
    added = np.clip(added, -under.min(axis=-1, keepdims=True), 255 - under.max(axis=-1, keepdims=True))
    if not added.any():
        return None
    return Mark(index, kind, size, contrast, sign, top, left, (added / 255).astype(np.float32))


def mark_shape(kind: str, size: int, random: np.random.Generator) -> np.ndarray:
    """Return ``(rows, columns)`` in [0, 1], the largest 1.

    A mole is a Gaussian of full width ``size`` at half its height; a scar a thin bent line of that length with soft
    sides; a stroke of a tattoo a bent line with hard sides; a stain a blob with a ragged, soft border.
    """
    if kind == "mole":
        sigma = size / _FULL_WIDTH
        half = math.ceil(_SIGMAS * sigma)
        offsets = np.arange(-half, half + 1)
        return np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * sigma**2)).astype(np.float32)
    side = size + 4
    at = (np.arange(side * _FINER) + 0.5) / _FINER - side / 2
    y, x = np.meshgrid(at, at, indexing="ij")
    angle = random.uniform(0, math.pi)
    bend = random.uniform(-0.4, 0.4)
    if kind == "stain":
        around = np.arctan2(y, x)
        radius = (
            size
            / 2
            * (
                0.8
                + sum(
                    random.uniform(-0.12, 0.12) * np.cos(turns * around + random.uniform(0, 6.3)) for turns in (2, 3, 5)
                )
            )
        )
        drawn = 1 / (1 + np.exp((np.hypot(y, x) - radius) / max(0.25, size / 16)))
    else:
        along = np.linspace(-0.5, 0.5, 65) * size
        # A parabola, which bends the line by a share of its length.
        points = np.stack([along, bend * size * (4 * (along / size) ** 2 - 0.5) / 2])
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        across, down = turn @ points
        distance = np.sqrt(((y[..., None] - down) ** 2 + (x[..., None] - across) ** 2).min(axis=-1))
        wide = max(1.0, size / (8 if kind == "scar" else 5))
        drawn = np.exp(-(distance**2) / (2 * (wide / _FULL_WIDTH) ** 2)) if kind == "scar" else distance < wide / 2
    coarse = np.asarray(drawn, float).reshape(side, _FINER, side, _FINER).mean(axis=(1, 3))
    coarse[coarse < 0.01] = 0
    return (coarse / coarse.max()).astype(np.float32)


# What is measured of a mark, in the order of ``measure_mark``.
MEASURES = ("retained", "leakage", "psnr_inside", "seen_before", "seen_after", "seen_unmarked", "bytes_cost")


def measure_mark(mark: Mark, original: np.ndarray, before: np.ndarray, after: np.ndarray, cost: int) -> list[float]:
    """Return the ``MEASURES`` of a mark, of uint8 images ``(height, width, channels)``.

    ``before`` and ``after`` are the reconstructions of the original and of the marked one. With their difference Δ in
    [0, 1] and the mark m: retained contrast ⟨Δ, m⟩ / ⟨m, m⟩, 1 where all of it is there; leakage Σ Δ² outside of the
    mark / ⟨m, m⟩; the PSNR of ``after`` where the mark is; and what a matched filter sees, in [0, 1] intensity, in the
    original without it, and in both reconstructions: c·⟨x, h⟩ / ⟨m, h⟩, c being the contrast and h m less its mean over
    a window twice as wide, so that the brightness of the place drops out. ``cost`` is the bytes that the mark cost.
    """
    shape = np.broadcast_to(mark.shape, (*mark.shape.shape[:2], original.shape[-1])).astype(np.float64)
    energy = float((shape * shape).sum())
    delta = (after.astype(np.float64) - before) / 255
    inside = delta[mark.window]
    covered = shape != 0
    outside = float((delta * delta).sum() - (inside * inside)[covered].sum())
    error = (after[mark.window].astype(np.float64) - mark.on(original)[mark.window])[covered] / 255
    height, width = shape.shape[:2]
    top, left = max(0, mark.top - height // 2), max(0, mark.left - width // 2)
    around = slice(top, mark.top + height + height // 2), slice(left, mark.left + width + width // 2)
    template = np.zeros(original[around].shape)
    template[mark.top - top : mark.top - top + height, mark.left - left : mark.left - left + width] = shape
    template -= template.mean()
    # ⟨m, h⟩ is ⟨h, h⟩, the mean of h being 0.
    scale = 255 * float((template * template).sum())
    seen = [mark.contrast * float((image[around] * template).sum() / scale) for image in (original, before, after)]
    return [
        float((inside * shape).sum() / energy),
        max(0.0, outside) / energy,
        float(psnr_of_mse((error * error).mean())),
        seen[1],
        seen[2],
        seen[0],
        float(cost),
    ]


def area_under_curve(marked, unmarked) -> float:
    """Return how often a marked picture scores above an unmarked one, ties half: the area under the ROC curve.

    Mann and Whitney 1947; Hanley and McNeil 1982.
    """
    marked, unmarked = np.asarray(marked, float), np.asarray(unmarked, float)
    ranks = stats.rankdata(np.concatenate([marked, unmarked]))[: len(marked)].sum()
    return float((ranks - len(marked) * (len(marked) + 1) / 2) / (len(marked) * len(unmarked)))
