"""Training as it mostly is: one device, one process."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from kerasae.runtime import describe_device


class OneDevice:
    """What training asks of the devices it runs on; here the answers of a single one.

    ``process`` of ``processes``, counted from 0; number 0 is the one that writes.
    """

    devices = 1
    processes = 1
    process = 0

    @property
    def is_first(self) -> bool:
        """Whether this process writes the run."""
        return self.process == 0

    def scope(self) -> AbstractContextManager:
        """Return the context in which a model is built, trained and saved."""
        return nullcontext()

    def feed(self, feed):
        """Return ``feed`` as this process has to feed it."""
        return feed

    def watch(self) -> AbstractContextManager:
        """Return the context in which several processes work together."""
        return nullcontext()

    def together(self, work: Callable[[], Any]) -> Any:
        """Return ``work()``; what it raises in one process is raised in all."""
        return work()

    def first_says(self, content: Callable[[], bytes]) -> bytes:
        """Return ``content()`` of the first process, in every process."""
        return content()

    def agree(self, what: str, mine: str) -> None:
        """Raise ``RunError`` in every process where ``mine`` is not what the first process has; ``what`` names it."""

    def describe(self) -> str:
        """Return the device in words, as it is stored with a run."""
        return describe_device()

    def as_dict(self) -> dict[str, int]:
        """Return what is stored with a run besides the words; nothing where there is nothing to say."""
        return {}
