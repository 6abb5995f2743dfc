"""Writes and reads compressed files on one backend, for ``test_portability``.

``python codec_worker.py FOLDER freeze|write|read``: ``freeze`` makes a model and its tables of every kind, ``write``
compresses with them, ``read`` decodes what every backend has written and stores integers and pixels.
"""

import sys
from pathlib import Path

import numpy as np

from kerasae.runtime import choose_backend

BACKEND = choose_backend()

from kerasae.codec import Codec, unpack  # noqa: E402
from tests.codec.made_up import KINDS, made_up_codec  # noqa: E402
from tests.conftest import smooth_images  # noqa: E402


def images():
    return [*smooth_images(12, seed=2), *smooth_images(2, size=50, seed=3), smooth_images(1, seed=4)[0][:9, :1]]


def main(folder, task):
    for kind in KINDS:
        place = folder / kind
        if task == "freeze":
            made_up_codec(kind).save(place)
            continue
        codec = Codec.load(place)
        for step in (0, len(codec.frozen.levels) // 2):
            if task == "write":
                for number, data in enumerate(codec.encode(images(), step=step)):
                    (place / f"{BACKEND}-{step}-{number}.kae").write_bytes(data)
                continue
            for path in sorted(place.glob(f"*-{step}-*.kae")):
                data = path.read_bytes()
                np.savez(
                    place / f"{path.stem}-read-by-{BACKEND}.npz",
                    integers=codec.integers(unpack(data)),
                    pixels=codec.decode(data),
                )


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
