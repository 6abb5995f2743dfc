"""One process at a time in a run folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kerasae.errors import RunError

try:
    import fcntl
except ImportError:  # Windows has no advisory locks of this kind; two processes in one folder go unnoticed there.
    fcntl = None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold ``folder`` for this process; the system lets go of it however the process ends.

    Raises ``RunError`` where another process holds it.
    """
    with (folder / ".lock").open("w") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunError(
                    f"{folder} is being trained by another process; wait for it, or use another --runs"
                ) from None
        yield
