"""``data.limit``: a part of the images, for a first look."""

from collections.abc import Sequence

from kerasae.data.hashed_order import hashed_order


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
