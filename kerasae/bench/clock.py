"""Work against the clock."""

import time
from collections.abc import Callable


def images_per_second(work: Callable[[], object], images: int, seconds: float) -> float:
    """Call ``work``, which goes through ``images`` images, at least once and for ``seconds``; return the speed."""
    began, done = time.perf_counter(), 0
    while True:
        work()
        done += images
        elapsed = time.perf_counter() - began
        if elapsed >= seconds:
            return done / elapsed
