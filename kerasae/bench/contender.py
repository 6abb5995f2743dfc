"""One contender, alone in its process: ``python -m kerasae.bench.contender NAME IMAGES.npy BATCH_SIZE``.

It reads requests from standard input and answers each on standard output, both as one line of JSON::

    {"do": "prepare", "model": "ae"}                        → {"parameters": 741, "device": "cpu"}
    {"do": "measure", "task": "train", "seconds": 8.0}      → {"images_per_second": 1204.2}

``prepare`` builds the model and runs every task once, so that nothing is compiled while the clock runs. A contender
is a class with ``build(model)``, ``train(seconds)``, ``evaluate(seconds)`` and ``describe()``. The end of standard
input ends it.
"""

import json
import os
import sys

import numpy as np

from kerasae.bench.result import PLAIN, TASKS


def answer(contender, request: dict) -> dict:
    """Return the answer of ``contender`` to one request."""
    if request["do"] == "prepare":
        parameters = contender.build(request["model"])
        for task in TASKS:
            # Twice: what is compiled at the first call may still be tuned at the second.
            for _ in range(2):
                getattr(contender, task)(1e-9)
        return {"parameters": parameters, "device": contender.describe()}
    return {"images_per_second": getattr(contender, request["task"])(request["seconds"])}


def _make(name: str, images: np.ndarray, batch_size: int):
    if name == PLAIN:
        from kerasae.bench.plain_torch import PlainTorch

        return PlainTorch(images, batch_size)
    from kerasae.runtime import choose_backend

    choose_backend()
    from kerasae.bench.keras_contender import KerasContender

    return KerasContender(images, batch_size)


def main() -> None:
    """Answer requests until there are no more."""
    name, path, batch_size = sys.argv[1:]
    # Answers go to the standard output this process was given; whatever a library prints goes to standard error.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as answers:
        os.dup2(2, 1)
        contender = _make(name, np.load(path), int(batch_size))
        for line in sys.stdin:
            print(json.dumps(answer(contender, json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main()
