"""A contender's process, from outside."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from kerasae.bench.result import PLAIN
from kerasae.errors import BackendError


class Session:
    """A running ``contender``; a context manager that ends it.

    ``name`` is ``plain`` or a backend, ``images`` a ``.npy`` file of uint8 ``(count, height, width, channels)``.
    """

    def __init__(self, name: str, images: Path, batch_size: int):
        self.name = name
        # All contenders live at the same time and may share one GPU, which JAX and TensorFlow would each take whole.
        environment = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"} | os.environ
        if name != PLAIN:
            environment["KERAS_BACKEND"] = name
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the session
        self._process = subprocess.Popen(
            [sys.executable, "-m", "kerasae.bench.contender", name, str(images), str(batch_size)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
            text=True,
            encoding="utf-8",
        )

    def ask(self, **request) -> dict:
        """Return the answer to ``request``; raises ``BackendError`` where the process died over it."""
        line = ""
        with contextlib.suppress(BrokenPipeError):
            print(json.dumps(request), file=self._process.stdin, flush=True)
            line = self._process.stdout.readline()
        if not line:
            raise BackendError(
                f"the bench of {self.name} ended with exit code {self._process.wait()} at {request}; it last wrote: "
                f"{self._last_words()}; leave it out with --backends"
            )
        return json.loads(line)

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return lines[-1] if lines else "nothing"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        try:
            self._process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._errors.close()
