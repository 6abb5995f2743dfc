"""A function of batches, several of them at work at once."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Batch, Result = TypeVar("Batch"), TypeVar("Result")


def in_order(
    function: Callable[[Batch], Result], batches: Sequence[Batch], *, at_once: int, first_alone: bool
) -> Iterator[Result]:
    """Yield ``function`` of each batch, in their order, from ``at_once`` threads; from the caller's own if that is 1.

    With ``first_alone`` the second batch waits for the first, which is the one that is traced and compiled. What is not
    begun when the caller stops asking is dropped.
    """
    alone = len(batches) if at_once == 1 else int(first_alone)
    yield from map(function, batches[:alone])
    if batches[alone:]:
        with ThreadPoolExecutor(at_once) as threads:
            yield from threads.map(function, batches[alone:])
