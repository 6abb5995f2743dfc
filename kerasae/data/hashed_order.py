"""An order that looks random, is decided by a seed, and is the same on every machine for ever."""

import hashlib
from collections.abc import Sequence


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
