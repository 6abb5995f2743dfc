"""A few images of a run as it saw them, kept to be looked at."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from kerasae.atomic import replacing
from kerasae.errors import RunError
from kerasae.records import Example

_TEXTS = ("name", "rank", "split", "sigma", "decoded_from", "psnr", "ssim")
_IMAGES = ("original", "given", "reconstruction")


def save_examples(path: Path, examples: Sequence[Example]) -> None:
    """Write ``examples``, images of one shape, atomically."""
    about = json.dumps([{key: getattr(example, key) for key in _TEXTS} for example in examples])
    arrays = {key: np.stack([getattr(example, key) for example in examples]) for key in _IMAGES}
    with replacing(path) as partial, partial.open("wb") as file:
        np.savez_compressed(file, about=np.frombuffer(about.encode(), "uint8"), **arrays)


def load_examples(path: Path) -> list[Example]:
    """Return what ``save_examples`` wrote; nothing where there is no such file. Raises ``RunError`` if it is broken."""
    if not path.is_file():
        return []
    try:
        with np.load(path, allow_pickle=False) as stored:
            about = json.loads(stored["about"].tobytes())
            images = [stored[key] for key in _IMAGES]
            return [
                Example(**texts, **dict(zip(_IMAGES, shown, strict=True)))
                for texts, *shown in zip(about, *images, strict=True)
            ]
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise RunError(f"{path} cannot be read ({error}); delete it and evaluate again") from None
