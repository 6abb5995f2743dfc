"""Many image files, decoded by several threads, handed on in order."""

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

import numpy as np

from kerasae.errors import DataError

Progress = Callable[[int, int], None]
# Bounds what waits in memory, decoded but not yet taken: 512 images of 128×128 RGB are 25 MB.
_AT_ONCE = 512


def decode(
    names: Sequence[str],
    read: Callable[[str], np.ndarray],
    *,
    on_error: Literal["stop", "skip"],
    skipped: list[str],
    progress: Progress | None = None,
) -> Iterator[tuple[str, np.ndarray]]:
    """Yield ``(name, image)`` in the order of ``names``; ``read`` returns an image or raises ``DataError``.

    With ``on_error="skip"`` a broken file is appended to ``skipped`` as ``name: why`` and left out; with ``stop`` the
    ``DataError`` goes on, saying how to skip. ``progress(done, total)`` is called as the work goes on.
    """

    def attempt(name: str) -> np.ndarray | DataError:
        try:
            return read(name)
        except DataError as error:
            return error

    with ThreadPoolExecutor(max_workers=min(16, (os.cpu_count() or 1) + 1)) as pool:
        for start in range(0, len(names), _AT_ONCE):
            batch = names[start : start + _AT_ONCE]
            for name, result in zip(batch, pool.map(attempt, batch), strict=True):
                if not isinstance(result, DataError):
                    yield name, result
                elif on_error == "skip":
                    skipped.append(f"{name}: {result}")
                else:
                    raise DataError(f"{result}; repair or remove it, or leave it out with --set data.on_error=skip")
            if progress is not None:
                progress(min(start + _AT_ONCE, len(names)), len(names))
