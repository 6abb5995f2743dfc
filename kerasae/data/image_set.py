"""What every source of images delivers."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kerasae.errors import DataError

# Small enough that hashing a memory map never holds more than this much of it.
_BLOCK_BYTES = 1 << 24


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images and what is known of them.

    ``images`` is uint8, ``(count, height, width, channels)``, and may be a read-only memory map. ``names`` are unique
    and stay the same from one start to the next. Images of one group, where there are ``groups``, never fall into two
    splits. ``label`` is short, for tables (``photos``, ``folder:faces``); ``card`` names the data card.
    ``fingerprint`` is 16 hexadecimal digits over pixels, names and groups. ``skipped`` holds ``name: why`` of each
    broken file left out.
    """

    images: np.ndarray
    names: tuple[str, ...]
    groups: tuple[str, ...] | None
    label: str
    card: str
    fingerprint: str
    skipped: tuple[str, ...] = ()

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
    ) -> "ImageSet":
        """Return the image set with its fingerprint; ``digest`` is ``pixel_digest(images)`` where it is known."""
        names, groups = tuple(names), None if groups is None else tuple(groups)
        fingerprint = _fingerprint(digest or pixel_digest(images), names, groups)
        return cls(images, names, groups, label, card, fingerprint, tuple(skipped))


def pixel_digest(images: np.ndarray) -> str:
    """Return 32 hexadecimal digits over shape and pixels of ``(count, height, width, channels)`` uint8."""
    hasher = hashlib.blake2b(digest_size=16)
    at_once = max(1, _BLOCK_BYTES // max(1, images[:1].size))
    for start in range(0, len(images), at_once):
        hasher.update(np.ascontiguousarray(images[start : start + at_once]))
    # The shape comes last, so that a writer who learns the count only at the end can hash as it goes.
    hasher.update(repr(tuple(images.shape)).encode())
    return hasher.hexdigest()


def _fingerprint(digest: str, names: tuple[str, ...], groups: tuple[str, ...] | None) -> str:
    hasher = hashlib.blake2b(digest.encode(), digest_size=8)
    for texts in (names, groups or ()):
        # Lengths keep ("ab", "c") apart from ("a", "bc").
        hasher.update(f"|{len(texts)}|".encode())
        for text in texts:
            encoded = text.encode("utf-8", "surrogateescape")
            hasher.update(f"{len(encoded)}:".encode() + encoded)
    return hasher.hexdigest()
