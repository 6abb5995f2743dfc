"""What every source delivers, and who is trained on, chooses the best epoch, and is tested on."""

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kerasae.errors import DataError
from kerasae.files import readable

SPLITS = ("train", "validation", "test")
# Small enough that hashing a memory map never holds more than this much of it.
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images and what is known of them.

    ``images`` is uint8, ``(count, height, width, channels)``, and may be a read-only memory map, or ``Patches`` of
    images of any size, each of which then counts as an image. ``names`` are unique and stay the same from one start to
    the next; they are as ``kerasae.files.readable`` shows them. Images of one group, where there are ``groups``, never
    fall into two splits. ``label`` is short, for tables (``photos``, ``folder:faces``); ``card`` names the data card.
    ``fingerprint`` is 16 hexadecimal digits over pixels, names, groups and splits. ``skipped`` holds ``name: why`` of
    each file left out; ``remarks`` are sentences to say before training. ``splits``, where they are given rather than
    left to the recipe, holds sorted indexes by name (``train``, ``validation``, ``test``); any of them may be empty.
    """

    images: np.ndarray
    names: tuple[str, ...]
    groups: tuple[str, ...] | None
    label: str
    card: str
    fingerprint: str
    skipped: tuple[str, ...] = ()
    splits: Mapping[str, np.ndarray] | None = None
    remarks: tuple[str, ...] = ()

    def __post_init__(self):
        if self.images.ndim != 4 or self.images.dtype != np.uint8:
            raise DataError(
                f"images of shape {self.images.shape} and type {self.images.dtype} arrived from {self.label}; "
                "needed is uint8 of (count, height, width, channels)"
            )
        if len(self.names) != len(self.images) or (self.groups is not None and len(self.groups) != len(self.images)):
            groups = "no" if self.groups is None else len(self.groups)
            raise DataError(f"{self.label}: {len(self.images)} images with {len(self.names)} names and {groups} groups")
        if len(set(self.names)) != len(self.names):
            raise DataError(f"{self.label}: two images have the same name; names must be unique")

    @classmethod
    def of(
        cls,
        images: np.ndarray,
        names: Sequence[str],
        groups: Sequence[str] | None,
        *,
        label: str,
        card: str,
        skipped: Sequence[str] = (),
        digest: str | None = None,
        splits: Mapping[str, Sequence[int]] | None = None,
        remarks: Sequence[str] = (),
    ) -> "ImageSet":
        """Return the image set with its fingerprint; ``digest`` is ``pixel_digest(images)`` where it is known."""
        names, groups = _readable(names), None if groups is None else _readable(groups)
        given = None if splits is None else _given_splits(splits, len(images), label)
        fingerprint = _fingerprint(digest or pixel_digest(images), names, groups, given)
        remarks = tuple(remarks)
        return cls(images, names, groups, readable(label), card, fingerprint, _readable(skipped), given, remarks)

    @classmethod
    def from_array(
        cls,
        images,
        groups: Sequence | None = None,
        names: Sequence[str] | None = None,
        label: str = "array",
        splits: Mapping[str, Sequence[int]] | None = None,
    ) -> "ImageSet":
        """Return the images of an array, ``(count, height, width, channels)``, uint8 or float in [0, 1].

        Height and width are any and need not be equal; floats are rounded to 8 bits. ``groups`` says for each image
        which others it belongs with, ``names`` what it is called (else ``image_000000`` and so on). ``splits`` holds
        indexes by name (``train``, ``validation``, ``test``); without them the recipe's fractions decide. Raises
        ``DataError`` for an array of another shape, type or range, and where lengths differ.
        """
        pixels = eight_bit(images, what=label)
        if names is None:
            names = [f"image_{place:06d}" for place in range(len(pixels))]
        for what, given in (("names", names), ("groups", groups)):
            if given is not None and len(given) != len(pixels):
                raise DataError(
                    f"{label}: {len(given):,} {what} arrived for {len(pixels):,} images, which need one each"
                )
        groups = None if groups is None else [str(group) for group in groups]
        return cls.of(pixels, [str(name) for name in names], groups, label=label, card="array", splits=splits)


def _readable(texts: Sequence[str]) -> tuple[str, ...]:
    # Names go into tables, JSON and CSV files, which hold no bytes of file names that are no UTF-8.
    return tuple(readable(text) for text in texts)


def eight_bit(images, *, what: str = "images") -> np.ndarray:
    """Return images ``(count, height, width, channels)``, uint8 or float in [0, 1], as uint8.

    uint8 is returned as it is, a memory map too; floats are rounded. Raises ``DataError`` that begins with ``what``
    for another shape, type or range.
    """
    needed = "needed are images of (count, height, width, channels), uint8 or float in [0, 1]"
    if not isinstance(images, np.ndarray):
        images = np.asarray(images)
    if images.ndim == 3:
        raise DataError(
            f"{what}: an array of shape {images.shape} arrived; {needed}: give gray images a channel with "
            "images[..., None], or one image a count with images[None]"
        )
    if images.ndim != 4 or not images.size:
        empty = " with nothing in it" if not images.size else ""
        raise DataError(f"{what}: an array of shape {images.shape}{empty} arrived; {needed}")
    if images.shape[1] in (1, 3) and images.shape[3] > 4:
        raise DataError(
            f"{what}: an array of shape {images.shape} arrived, its channels seemingly first; {needed}: move them with "
            "np.moveaxis(images, 1, -1)"
        )
    if images.dtype == np.uint8:
        return images
    if not np.issubdtype(images.dtype, np.floating):
        raise DataError(f"{what}: an array of type {images.dtype} arrived; {needed}")
    rounded = np.empty(images.shape, np.uint8)
    at_once = max(1, _BLOCK_BYTES // images[0].size)
    for start in range(0, len(images), at_once):
        block = images[start : start + at_once]
        low, high = float(block.min()), float(block.max())
        if not np.isfinite(low + high):
            raise DataError(f"{what}: the array holds NaN or infinity; {needed}")
        if low < 0 or high > 1:
            more = ": divide by 255, or pass them as uint8" if low >= 0 and high <= 255 else ""
            raise DataError(f"{what}: {images.dtype} values from {low:g} to {high:g} arrived; {needed}{more}")
        rounded[start : start + at_once] = np.rint(block.astype(np.float32) * 255)
    return rounded


def _given_splits(splits: Mapping[str, Sequence[int]], count: int, label: str) -> dict[str, np.ndarray]:
    """Return all three splits, sorted; raises ``DataError`` for another name, an index beyond, or one that is twice."""
    unknown = [name for name in splits if name not in SPLITS]
    if unknown:
        raise DataError(f"{label}: there is no split {unknown[0]!r}; splits are {', '.join(SPLITS)}")
    given = {name: np.sort(np.asarray(splits.get(name, ()), np.int64).reshape(-1)) for name in SPLITS}
    every = np.concatenate(list(given.values()))
    if len(every) and not 0 <= every.min() <= every.max() < count:
        raise DataError(f"{label}: splits have indexes {every.min()} to {every.max()} of {count:,} images")
    if len(np.unique(every)) != len(every):
        raise DataError(f"{label}: an image is in two splits, or in one twice; each belongs to one at most")
    return given


def pixel_digest(images: np.ndarray) -> str:
    """Return 32 hexadecimal digits over shape and pixels of ``(count, height, width, channels)`` uint8."""
    hasher = hashlib.blake2b(digest_size=16)
    at_once = max(1, _BLOCK_BYTES // max(1, images[:1].size))
    for start in range(0, len(images), at_once):
        hasher.update(np.ascontiguousarray(images[start : start + at_once]))
    # The shape comes last, so that a writer who learns the count only at the end can hash as it goes.
    hasher.update(repr(tuple(images.shape)).encode())
    return hasher.hexdigest()


def _fingerprint(
    digest: str,
    names: tuple[str, ...],
    groups: tuple[str, ...] | None,
    splits: Mapping[str, np.ndarray] | None,
) -> str:
    hasher = hashlib.blake2b(digest.encode(), digest_size=8)
    for texts in (names, groups or ()):
        # Lengths keep ("ab", "c") apart from ("a", "bc").
        hasher.update(f"|{len(texts)}|".encode())
        for text in texts:
            encoded = text.encode("utf-8", "surrogateescape")
            hasher.update(f"{len(encoded)}:".encode() + encoded)
    for name, indexes in (splits or {}).items():
        hasher.update(f"|{name}|{indexes.tolist()}".encode())
    return hasher.hexdigest()


def hashed_order(texts: Sequence[str], *, seed: int, purpose: str) -> list[int]:
    """Return the indexes of ``texts``, sorted by a hash of seed, purpose and text.

    A hash rather than a random generator: the place of one text against another depends on nothing but the two, so
    neither a new NumPy nor one more file in a folder reshuffles all the others.
    """
    key = hashlib.blake2b(f"{purpose}/{seed}".encode(), digest_size=32).digest()

    def place(index: int) -> tuple[bytes, str]:
        text = texts[index]
        return hashlib.blake2b(text.encode("utf-8", "surrogateescape"), key=key, digest_size=8).digest(), text

    return sorted(range(len(texts)), key=place)


def limit_indices(names: Sequence[str], groups: Sequence[str] | None, *, limit: int | None, seed: int) -> list[int]:
    """Return the sorted indexes of the images to keep: ``limit`` of them, or all where there are no more.

    The seed decides which. With groups, whole groups are kept, save that no group gives more than a tenth of the limit
    at first: a first look at few, large groups would otherwise leave nothing for validation or test.
    """
    if limit is None or limit >= len(names):
        return list(range(len(names)))
    order = hashed_order(names, seed=seed, purpose="limit")
    if groups is None:
        return sorted(order[:limit])
    members: dict[str, list[int]] = {}
    for index in order:
        members.setdefault(groups[index], []).append(index)
    labels = sorted(members)
    turns = [members[labels[place]] for place in hashed_order(labels, seed=seed, purpose="limit groups")]
    share = max(1, limit // 10)
    first = [index for turn in turns for index in turn[:share]]
    rest = [index for turn in turns for index in turn[share:]]
    return sorted((first + rest)[:limit])


def split_indices(images: ImageSet, data: Any) -> dict[str, np.ndarray]:
    """Return ``{"train", "validation", "test"}`` → sorted int64 indexes into ``images``.

    ``data`` is the ``[data]`` section of a recipe; only its ``split`` (three fractions) and ``split_seed`` are used,
    and not even they where ``images`` come with splits.
    The parts are disjoint and cover all images. No group falls into two parts. Without groups the counts are within
    one of the fractions; with groups they are as near as whole groups allow. Names, groups and ``split_seed`` alone
    decide, whatever the machine.

    Raises ``DataError`` where there are fewer than three images, or groups, to go round.
    """
    if images.splits is not None:
        return dict(images.splits)
    labels = images.names if images.groups is None else images.groups
    sizes = Counter(labels)
    if len(sizes) < len(SPLITS):
        what = "image" if images.groups is None else "group"
        raise DataError(
            f"{images.label} has {len(sizes)} {what}{'s' * (len(sizes) != 1)}; training, validation and test need at "
            f"least one {what} each, so at least 3"
        )
    part_of = _assign(sizes, data.split, data.split_seed)
    parts = np.array([part_of[label] for label in labels])
    return {name: np.flatnonzero(parts == part).astype(np.int64) for part, name in enumerate(SPLITS)}


def _assign(sizes: Counter, fractions: tuple[float, float, float], seed: int) -> dict[str, int]:
    """Return the part of each group: the groups in hashed order, cut where the fractions say.

    One cut after the other, rather than dealing groups out in turn, so that a new file moves few of the others.
    """
    groups = sorted(sizes)
    total, before = sum(sizes.values()), 0
    cuts = (fractions[0] * total, (fractions[0] + fractions[1]) * total)
    members: list[list[str]] = [[], [], []]
    for place in hashed_order(groups, seed=seed, purpose="split"):
        size = sizes[groups[place]]
        middle = before + size / 2
        members[sum(middle > cut for cut in cuts)].append(groups[place])
        before += size
    # With very few groups a small fraction may have got none: it takes the smallest from the part with most groups.
    for part in range(3):
        if not members[part]:
            giver = max(range(3), key=lambda other: len(members[other]))
            smallest = min(members[giver], key=lambda group: (sizes[group], members[giver].index(group)))
            members[giver].remove(smallest)
            members[part].append(smallest)
    return _balanced({group: part for part in range(3) for group in members[part]}, sizes, fractions)


def _balanced(part_of: dict[str, int], sizes: Counter, fractions: tuple[float, float, float]) -> dict[str, int]:
    """Return the parts after moving single groups for as long as that brings the counts nearer to the fractions."""
    total = sum(sizes.values())
    excess = [-fraction * total for fraction in fractions]
    left = Counter(part_of.values())
    for group, part in part_of.items():
        excess[part] += sizes[group]
    moved = True
    while moved:
        moved = False
        for group, giver in part_of.items():
            size, taker = sizes[group], min(range(3), key=excess.__getitem__)
            # The squared distance falls exactly if the giver stays further above the taker than the group is large.
            if left[giver] > 1 and excess[giver] - excess[taker] > size + 1e-6:
                part_of[group] = taker
                excess[giver], excess[taker] = excess[giver] - size, excess[taker] + size
                left[giver], left[taker] = left[giver] - 1, left[taker] + 1
                moved = True
    return part_of
