"""Who is trained on, who chooses the best epoch, and who is tested on."""

from collections import Counter
from typing import Any

import numpy as np

from kerasae.data.hashed_order import hashed_order
from kerasae.data.image_set import ImageSet
from kerasae.errors import DataError

SPLITS = ("train", "validation", "test")


def split_indices(images: ImageSet, data: Any) -> dict[str, np.ndarray]:
    """Return ``{"train", "validation", "test"}`` → sorted int64 indexes into ``images``.

    ``data`` is the ``[data]`` section of a recipe; only its ``split`` (three fractions) and ``split_seed`` are used.
    The parts are disjoint and cover all images. No group falls into two parts. Without groups the counts are within
    one of the fractions; with groups they are as near as whole groups allow. Names, groups and ``split_seed`` alone
    decide, whatever the machine.

    Raises ``DataError`` where there are fewer than three images, or groups, to go round.
    """
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
